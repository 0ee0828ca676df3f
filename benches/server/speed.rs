//! Rows 1 to 6: throughput, processor time and latency.

use crate::load::{Flood, Until, event, flood, steadily, webhook, webhooks};
use crate::measure::median;
use crate::number::{commas, number};
use crate::program::{Folder, Server};
use crate::receiver::{Arrivals, HANGING};
use crate::table::{self, Goal, micros};
use crate::{Run, at_least, bare, load, millis, receiver};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The connections of a flood.
const CONNECTIONS: usize = 64;

/// The webhooks of a server, unless a row says otherwise.
const WEBHOOKS: usize = 10;

/// A server with webhooks, whose receiver counts.
struct Stage {
    server: Server,
    receiver: SocketAddr,
    arrivals: Arc<Arrivals>,
    _folder: Folder,
}

impl Stage {
    /// Starts a server for events with numbers below `events`.
    async fn new(count: usize, events: usize) -> Self {
        let folder = Folder::new();
        let server = Server::start(&folder);
        let (receiver, arrivals) = receiver::start(events).await;
        webhooks(server.address, &server.administrator, receiver, count).await;
        Self { server, receiver, arrivals, _folder: folder }
    }

    fn producer(&self) -> (SocketAddr, &str) {
        (self.server.address, &self.server.producer)
    }

    /// Adds a webhook for every event.
    async fn wants_all(&self, path: &str) {
        let mut document = webhook(self.receiver, 0, "");
        document["url"] = format!("http://{}{path}", self.receiver).into();
        let key = &self.server.administrator;
        let mut connection = load::Connection::open(self.server.address, key).await;
        let created = connection.send("POST", load::HOOKS, document.to_string().into()).await;
        let (status, body) = created.expect("the server runs");
        assert_eq!(status, 201, "{body:?}");
    }

    /// Sends events at a rate, and returns the milliseconds from the response to the first arrival,
    /// ascending. An event that arrived before its response counts as 0.
    async fn delays(&self, rate: u32, count: usize, about: impl Fn(usize) -> usize) -> Vec<f64> {
        let answered = steadily(self.producer(), rate, count, |n| event(n, about(n))).await;
        let all = |arrivals: &Arrivals| (0..count).all(|n| arrivals.first(n).is_some());
        assert!(self.arrivals.wait(all).await, "some events did not arrive");
        let arrived = (0..count).filter_map(|n| self.arrivals.first(n));
        let delays = answered.iter().zip(arrived);
        let mut delays: Vec<_> = delays
            .map(|(answered, arrived)| arrived.saturating_duration_since(*answered))
            .map(|delay| delay.as_secs_f64() * 1e3)
            .collect();
        delays.sort_unstable_by(f64::total_cmp);
        delays
    }
}

/// Returns a quantile of ascending figures.
fn quantile(sorted: &[f64], of: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * of).ceil() as usize]
}

/// An event that no webhook wants.
fn unwanted(number: usize) -> bytes::Bytes {
    event(number, usize::MAX)
}

/// An event that one of the first webhooks wants.
fn wanted_by_one(number: usize) -> bytes::Bytes {
    event(number, number % WEBHOOKS)
}

/// Row 1: accepted events against a handler that commits the same rows.
pub async fn intake(run: &Run) {
    let time = Until::After(Duration::from_secs(6) / run.scale as u32);
    let (mut ours, mut theirs, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..3 {
        let stage = Stage::new(WEBHOOKS, 0).await;
        let sent = flood(stage.producer(), CONNECTIONS, time, unwanted).await;
        drop(stage);
        // The tables, and a tenant.
        let folder = Folder::new();
        let server = Server::start(&folder);
        webhooks(server.address, &server.administrator, server.address, 1).await;
        server.stop();
        let address = bare::intake(&folder).await;
        let bare = flood((address, ""), CONNECTIONS, time, unwanted).await;
        ours.push(sent.per_second());
        theirs.push(bare.per_second());
        shares.push(sent.per_second() / bare.per_second());
    }
    let share = median(shares);
    table::row(
        "1",
        &format!("accepted events/s, {CONNECTIONS} connections, no webhook wants them"),
        &format!("{} (bare: {})", number(median(ours)), number(median(theirs))),
        &number(share),
        &[at_least(share, 0.3, 0.6)],
    );
}

/// Row 2: deliveries against a loop that posts the same requests.
pub async fn deliveries(run: &Run) {
    const BATCH: usize = 100;
    let events = 3_000 / run.scale;
    let all = events * WEBHOOKS;
    let (mut ours, mut theirs, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..3 {
        let stage = Stage::new(0, events).await;
        for number in 0..WEBHOOKS {
            stage.wants_all(&format!("/{number}")).await;
        }
        let (address, key) = stage.producer();
        let mut connection = load::Connection::open(address, key).await;
        let start = Instant::now();
        for first in (0..events).step_by(BATCH) {
            let batch = (first..events.min(first + BATCH)).map(|n| event(n, 0));
            let batch = [b"[".to_vec(), batch.collect::<Vec<_>>().join(&b","[..]), b"]".to_vec()];
            let sent = connection.send("POST", load::EVENTS, batch.concat().into()).await;
            assert_eq!(sent.map(|(status, _)| status.as_u16()), Some(202));
        }
        assert!(stage.arrivals.wait(|arrivals| arrivals.count() >= all).await, "not all arrived");
        let per_second = all as f64 / (stage.arrivals.last() - start).as_secs_f64();
        drop(stage);
        let (receiver, _) = receiver::start(all).await;
        // As many as the server has in flight: four for each of ten webhooks.
        let bare = bare::posts(receiver, 4 * WEBHOOKS, all).await;
        ours.push(per_second);
        theirs.push(bare);
        shares.push(per_second / bare);
    }
    let share = median(shares);
    table::row(
        "2",
        &format!("deliveries/s, {} events in batches, {WEBHOOKS} webhooks each", commas(events)),
        &format!("{} (bare: {})", number(median(ours)), number(median(theirs))),
        &number(share),
        &[at_least(share, 0.2, 0.5)],
    );
}

/// Returns the microseconds of processor time for an event that one of the webhooks gets, and how
/// many events a second were accepted and delivered.
async fn micros_per_event(webhooks: usize, events: usize) -> (f64, f64) {
    let stage = Stage::new(webhooks, events).await;
    let before = stage.server.processor_time();
    let start = Instant::now();
    let sent = flood(stage.producer(), CONNECTIONS, Until::Events(events), wanted_by_one).await;
    let Flood { accepted, .. } = sent;
    assert!(stage.arrivals.wait(|arrivals| arrivals.count() >= events).await, "not all arrived");
    let seconds = (stage.arrivals.last() - start).as_secs_f64();
    // The last attempts are recorded after they arrived.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let used = stage.server.processor_time() - before;
    (used.as_secs_f64() * 1e6 / accepted.len() as f64, accepted.len() as f64 / seconds)
}

/// Rows 3 and 4: processor time for an event, with few and with many webhooks.
pub async fn processor_time(run: &Run) {
    let (events, many) = (40_000 / run.scale, 5_000 / run.scale);
    let (mut few_micros, mut many_micros) = (Vec::new(), Vec::new());
    let (mut rates, mut ratios) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let (few, rate) = micros_per_event(WEBHOOKS, events).await;
        let (more, _) = micros_per_event(many, events).await;
        few_micros.push(few);
        many_micros.push(more);
        rates.push(rate);
        ratios.push(more / few);
    }
    let few = median(few_micros);
    let unit = |of| format!("{of} µs");
    table::row(
        "3",
        "processor time per event accepted, matched, delivered once and recorded",
        &format!("{}, at {} events/s", micros(few), number(median(rates))),
        "",
        &[Goal { value: few, must: 150.0, aim: 60.0, unit }],
    );
    let ratio = median(ratios);
    table::row(
        "4",
        &format!("the same with {} webhooks, one of which matches", commas(many)),
        &micros(median(many_micros)),
        &format!("{} of row 3", number(ratio)),
        &[Goal { value: ratio, must: 1.2, aim: 1.05, unit: |of| of.to_string() }],
    );
}

/// Row 5: the time from the response to the first attempt.
pub async fn latency(run: &Run) {
    let count = 1_000 / run.scale;
    let stage = Stage::new(WEBHOOKS, count).await;
    let delays = stage.delays(50, count, |number| number % WEBHOOKS).await;
    let p99 = quantile(&delays, 0.99);
    table::row(
        "5",
        "p99 from the response to the first attempt, 50 events/s",
        &format!("{} (median {})", millis(p99), millis(quantile(&delays, 0.5))),
        "",
        &[Goal { value: p99, must: 10.0, aim: 2.0, unit: |of| format!("{of} ms") }],
    );
}

/// Row 6: the same for other webhooks while one that wants every event hangs.
pub async fn isolation(run: &Run) {
    let count = 2_000 / run.scale;
    let (mut without, mut with, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..3 {
        let mut p99s = Vec::new();
        for hangs in [false, true] {
            let stage = Stage::new(100, count).await;
            if hangs {
                stage.wants_all(HANGING).await;
            }
            let delays = stage.delays(100, count, |number| number % 100).await;
            p99s.push(quantile(&delays, 0.99));
        }
        without.push(p99s[0]);
        with.push(p99s[1]);
        ratios.push(p99s[1] / p99s[0]);
    }
    let ratio = median(ratios);
    table::row(
        "6",
        "p99 of 100 others, 100 events/s, while a receiver that wants every event hangs",
        &format!("{} (without: {})", millis(median(with)), millis(median(without))),
        &number(ratio),
        &[Goal { value: ratio, must: 1.5, aim: 1.1, unit: |of| of.to_string() }],
    );
}
