//! From an event's bytes to signed requests, by the number of webhooks that match.
//!
//! `cargo bench --bench dispatch` prints a Markdown table. Each round times reading and matching,
//! then the signatures, then all of it. The column `building` is the difference: the time to build
//! a request.
#![allow(missing_docs, unreachable_pub, reason = "a benchmark")]
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a benchmark")]

#[path = "../src/cli/verbs/generate/workload.rs"]
#[allow(dead_code, reason = "shared with the program")]
mod workload;

#[path = "support/measure.rs"]
#[allow(dead_code, reason = "no bench uses all of it")]
mod measure;

use allocation_counter::AllocationInfo;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use hooksieve::delivery::RequestBuilder;
use hooksieve::event::ShapeCache;
use hooksieve::matcher::Access;
use hooksieve::registry::{Registry, Session};
use hooksieve::webhook::{NewWebhook, Rules, Webhook, WebhookDocument};
use measure::{median, time};
use serde_json::json;
use sha2::Sha256;
use std::hint::black_box;
use std::time::UNIX_EPOCH;
use workload::{Mix, TENANT, TYPE, Workload};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const ROUNDS: usize = 31;
/// The number of requests in a round.
const REQUESTS: usize = 20_000;

#[derive(Clone, Copy)]
struct Case {
    webhooks: usize,
    secret: bool,
    /// Whether the webhooks take another envelope than the one the events come in.
    converted: bool,
}

fn registry(case: Case) -> Registry {
    let rules = Rules::default();
    let registry = Registry::new(&rules);
    let webhook = |number: usize| {
        let mut document = json!({
            "name": "n", "url": format!("https://hooks.example.com/{number}"), "enabled": true,
            "eventTypes": [TYPE], "enableCloudEventDelivery": !case.converted,
            "headers": {"X-Team": "data"}, "encryptedHeaders": {"Authorization": "Bearer s3cr3t"},
        });
        if case.secret {
            document["secret"] = SECRET.into();
        }
        let new = NewWebhook::new(format!("wh-{number}"), "u1", UNIX_EPOCH.into());
        Webhook::create(&WebhookDocument::from(document), &rules, new)
            .expect("a valid webhook")
            .webhook
    };
    let _ = registry.load(TENANT, (0..case.webhooks).map(webhook)).expect("there is room");
    registry
}

fn matched(session: &mut Session, shapes: &mut ShapeCache, rules: &Rules, bytes: &Bytes) -> usize {
    let event = rules.profile().read_event_with(bytes, shapes).expect("a valid event");
    let recipients = session.matches(&event, Access::EventOwner).expect("it is loaded");
    // Looking up the webhooks of the slots counts as matching.
    recipients.webhooks().map(|webhook| black_box(webhook).event_types().len()).sum()
}

fn dispatched(session: &mut Session, builder: &RequestBuilder, bytes: &Bytes) -> usize {
    let requests =
        session.deliveries(builder, bytes.clone(), Access::EventOwner).expect("it is loaded");
    requests.map(|request| black_box(request).body().len()).sum()
}

fn signed(body: &[u8]) -> [u8; 32] {
    let mut hmac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
    hmac.update(body);
    hmac.finalize().into_bytes().into()
}

fn allocations(once: impl FnOnce()) -> u64 {
    let AllocationInfo { count_total, .. } = allocation_counter::measure(once);
    count_total
}

fn row(case: Case) {
    let registry = registry(case);
    let (rules, builder) = (registry.rules().clone(), RequestBuilder::default());
    let (mut session, mut shapes) = (registry.session(), ShapeCache::default());
    let mut source = Workload::new(Mix::Selective, 1_000, 7);
    let events: Vec<Bytes> = (0..100).map(|_| source.event(TENANT).into_bytes().into()).collect();
    let bodies: Vec<Bytes> = events
        .iter()
        .map(|bytes| {
            let mut requests = session
                .deliveries(&builder, bytes.clone(), Access::EventOwner)
                .expect("it is loaded");
            requests.next().expect("a match").body().clone()
        })
        .collect();
    let passes = (REQUESTS / case.webhooks / events.len()).max(1);
    let count = (passes * events.len() * case.webhooks) as f64;
    let per_request = |mut pass: Box<dyn FnMut(usize) -> usize + '_>| {
        let all = || (0..passes * 100).map(|at| pass(at % 100)).sum::<usize>();
        time(all).as_nanos() as f64 / count
    };
    let mut columns = vec![Vec::new(); 4];
    for _ in 0..ROUNDS {
        let matches =
            per_request(Box::new(|at| matched(&mut session, &mut shapes, &rules, &events[at])));
        let signatures = per_request(Box::new(|at| {
            let sign = || usize::from(signed(black_box(&bodies[at]))[0]);
            if case.secret { (0..case.webhooks).map(|_| sign()).sum() } else { 0 }
        }));
        let whole = per_request(Box::new(|at| dispatched(&mut session, &builder, &events[at])));
        let building = whole - matches - signatures;
        for (column, figure) in columns.iter_mut().zip([whole, matches, signatures, building]) {
            column.push(figure);
        }
    }
    let one = |session: &mut Session| {
        allocations(|| {
            black_box(dispatched(session, &builder, &events[0]));
        })
    };
    let all = one(&mut session) as f64 / case.webhooks as f64;
    let figures: Vec<String> =
        columns.into_iter().map(|column| format!("{:.0} ns", median(column))).collect();
    let word = |yes| if yes { "yes" } else { "no" };
    println!(
        "| {} | {} | {} | {} | {all:.2} |",
        case.webhooks,
        word(case.secret),
        word(case.converted),
        figures.join(" | "),
    );
}

fn main() {
    println!(
        "| matches | secret | converted | per request: all | reading and matching | signing | building | allocations per request |"
    );
    println!("|{}", " --- |".repeat(8));
    for webhooks in [1, 10, 100, 1_000] {
        for secret in [false, true] {
            for converted in [false, true] {
                row(Case { webhooks, secret, converted });
            }
        }
    }
}
