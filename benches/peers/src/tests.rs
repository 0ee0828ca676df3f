//! Checks that every engine agrees on the filters it can express, on a small load.

use crate::agreement::{check, expected};
use crate::engines::PEERS;
use crate::load::{Filter, Load};
use crate::workload::Mix;
use std::time::Duration;

#[test]
fn agrees_with_every_engine() {
    // The number of values grows with the webhooks, so that an event matches some of them.
    let mut load = Load::new(Mix::Growing, 300, 200);
    for filter in load.filters.iter_mut().step_by(3) {
        *filter = Filter::new(filter.text.replace(" eq ", " ne "));
    }
    let hits = |webhook: usize| {
        let is_hit = |hits: &[u32]| hits.contains(&(webhook as u32));
        expected(&load).iter().filter(|(_, hits)| is_hit(hits)).count()
    };
    let matched = (0..300).filter(|webhook| webhook % 3 != 0 && hits(*webhook) > 0).count();
    assert!(matched > 30, "only {matched} webhooks match an event");
    let mut problems = Vec::new();
    for peer in &PEERS {
        let mut engine = (peer.new)();
        let texts: Vec<Option<String>> = load.filters.iter().map(peer.translate).collect();
        let expressed: Vec<bool> = texts.iter().map(Option::is_some).collect();
        for (webhook, text) in (0..).zip(&texts) {
            if let Some(text) = text {
                engine.insert(webhook, text).unwrap();
            }
        }
        match check(&mut *engine, &load, &expressed, Duration::from_secs(60)) {
            Ok(agreement) if agreement.differing == 0 => {
                assert_eq!(agreement.checked, load.events.len() + load.gaps.len());
            }
            Ok(agreement) => problems.push(format!(
                "{} differs on {} of {} events: {}",
                peer.name,
                agreement.differing,
                agreement.checked,
                agreement.example.unwrap_or_default()
            )),
            Err(error) => problems.push(format!("{} fails: {error}", peer.name)),
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
