//! Checks that an engine returns what hooksieve's matcher returns.
//!
//! The plain scan is one of the engines. It is the specification, so its row checks the matcher
//! itself.

use crate::engines::{Engine, PEERS};
use crate::load::{Input, Load};
use std::time::{Duration, Instant};

pub struct Agreement {
    pub checked: usize,
    pub differing: usize,
    /// The first difference.
    pub example: Option<String>,
}

/// Returns what the matcher finds for each event, those with gaps and those without in turn.
pub fn expected(load: &Load) -> Vec<(&Input, Vec<u32>)> {
    let mut matcher = (PEERS[0].new)();
    for (webhook, filter) in (0u32..).zip(&load.filters) {
        matcher.insert(webhook, &filter.text).unwrap();
    }
    let longest = load.events.len().max(load.gaps.len());
    let turns = (0..longest).flat_map(|at| [load.gaps.get(at), load.events.get(at)]);
    let found = |event| {
        let mut hits = Vec::new();
        matcher.matches(event, &mut hits).unwrap();
        (event, hits)
    };
    turns.flatten().map(found).collect()
}

/// Compares an engine with the matcher until the time is up, for the filters that it can express.
pub fn check(
    engine: &mut dyn Engine,
    load: &Load,
    expressed: &[bool],
    budget: Duration,
) -> Result<Agreement, String> {
    let mut agreement = Agreement { checked: 0, differing: 0, example: None };
    let expected = expected(load);
    let start = Instant::now();
    for (event, mut expected) in expected {
        if start.elapsed() > budget {
            break;
        }
        expected.retain(|webhook| expressed[*webhook as usize]);
        let mut hits = Vec::new();
        engine.matches(event, &mut hits)?;
        hits.sort_unstable();
        agreement.checked += 1;
        if hits != expected {
            agreement.differing += 1;
            agreement.example.get_or_insert_with(|| describe(load, event, &hits, &expected));
        }
    }
    Ok(agreement)
}

fn describe(load: &Load, event: &Input, hits: &[u32], expected: &[u32]) -> String {
    let extra = hits.iter().find(|webhook| !expected.contains(webhook));
    let missing = expected.iter().find(|webhook| !hits.contains(webhook));
    let example = |webhook: &u32, problem| {
        let filter = &load.filters[*webhook as usize].text;
        format!("{problem} `{filter}` for {:?}", event.values)
    };
    match (extra, missing) {
        (Some(webhook), _) => example(webhook, "matches"),
        (None, Some(webhook)) => example(webhook, "misses"),
        (None, None) => "returns a webhook more than once".to_owned(),
    }
}
