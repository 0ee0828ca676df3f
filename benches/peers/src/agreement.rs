//! Whether an engine gives hooksieve's answers. The row of the plain scan, which is the meaning of
//! a filter, holds the matcher itself to account.

use crate::engines::{Engine, PEERS};
use crate::load::{Input, Load};
use std::time::{Duration, Instant};

pub struct Agreement {
    pub checked: usize,
    pub differing: usize,
    /// The first difference.
    pub example: Option<String>,
}

/// The matcher's answers to the events and to those with gaps, by turns.
pub fn expected(load: &Load) -> Vec<(&Input, Vec<u32>)> {
    let mut matcher = (PEERS[0].new)();
    for (webhook, filter) in (0u32..).zip(&load.filters) {
        matcher.insert(webhook, &filter.text).unwrap();
    }
    let longest = load.events.len().max(load.gaps.len());
    let turns = (0..longest).flat_map(|at| [load.gaps.get(at), load.events.get(at)]);
    let answer = |event| {
        let mut hits = Vec::new();
        matcher.matches(event, &mut hits).unwrap();
        (event, hits)
    };
    turns.flatten().map(answer).collect()
}

/// Compares until the time is over, on the webhooks whose filters the engine could take.
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
    let said = |webhook: &u32, what| {
        let filter = &load.filters[*webhook as usize].text;
        format!("{what} `{filter}` for {:?}", event.values)
    };
    match (extra, missing) {
        (Some(webhook), _) => said(webhook, "matches"),
        (None, Some(webhook)) => said(webhook, "misses"),
        (None, None) => "names a webhook twice".to_owned(),
    }
}
