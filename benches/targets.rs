//! The performance targets of hooksieve: prints a table of them, and a table of workloads.
//!
//! `cargo bench --bench targets`; add `-- 1 2 9` for some of the rows only. It uses one thread.
//! Each row runs in turn with the yardstick Y, one `serde_json::Value` parse of the same event, and
//! shows the median of their ratios. Rows that start from bytes remember shapes, and all events of
//! a load have one shape, unless the row says otherwise.
//!
//! Most rows repeat 1,000 events, so the parts of the index that they use stay in the caches. Their
//! cold forms have 30,000 events. A match from attributes is then timed in blocks of 16 events whose
//! texts were read just before, as a server has them: the row shows the index, not the events.
//!
//! Row 8 is also counted by `--bench memory`. Row 10 is compared in `benches/peers`, and row 11 has
//! a bench of its own.
#![allow(missing_docs, unreachable_pub, reason = "a benchmark")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a benchmark"
)]

mod support;
#[path = "../src/cli/verbs/generate/workload.rs"]
mod workload;

use hooksieve::event::{Event, ShapeCache};
use hooksieve::matcher::{Access, Matcher, Scratch};
use std::hint::black_box;
use std::time::Duration;
use support::measure::{Calls, Reading, compare, compare_parts, median, time, warm};
use support::number::{commas, number};
use support::table::{self, Goal, micros, share};
use support::{
    COLD_EVENTS, EVENTS, Load, PROFILE, filters, hit, insert, queries, read, read_with, texts,
    touch, yardstick,
};
use workload::{Mix, TENANT};

/// Prints a row whose targets are fractions of Y: `must` 4.0 is Y/4.
fn part_of_yardstick(row: &str, what: &str, reading: Reading, must: f64, aim: f64) {
    let unit = |of: f64| format!("Y/{}", (1.0 / of).round());
    let goal = Goal { value: reading.ratio, must: 1.0 / must, aim: 1.0 / aim, unit };
    table::row(row, what, &micros(reading.micros), &share(reading.ratio), &[goal]);
}

/// Prints a cold row, whose targets are in microseconds.
fn cold_row(row: &str, what: &str, reading: Reading, must: f64, aim: f64) {
    let goal = Goal { value: reading.micros, must, aim, unit: |of| format!("{of} µs") };
    table::row(row, what, &micros(reading.micros), &share(reading.ratio), &[goal]);
}

/// The situation of a server that does more than matching.
const COLD: &str = "the same, 30,000 events: event in the caches, index not";
const COLD_BYTES: &str = "the same with 30,000 different events";

fn no_target(row: &str, what: &str, reading: Reading) {
    table::row(row, what, &micros(reading.micros), &share(reading.ratio), &[]);
}

struct Run {
    only: Vec<String>,
    /// The time for each reading.
    budget: Duration,
    /// The divisor of all sizes.
    scale: usize,
}

/// The figures of a load.
struct Figures {
    mix: Mix,
    webhooks: usize,
    /// The matches per event.
    hits: f64,
    attributes: Reading,
    cold: Reading,
    bytes: Reading,
    batched: Reading,
    /// The microseconds of a plain scan.
    scan: f64,
}

fn main() {
    let (options, only): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|word| word.starts_with('-'));
    // `cargo test --benches` only checks that the bench runs, on small loads.
    let run = if options.iter().any(|option| option == "--bench") {
        Run { only, budget: Duration::from_secs(2), scale: 1 }
    } else {
        Run { only, budget: Duration::ZERO, scale: 100 }
    };
    table::head();
    let figures = run.matching();
    run.without_type();
    run.tenants();
    run.million();
    run.parsing();
    run.others();
    run.workloads(&figures);
}

impl Run {
    fn includes(&self, rows: &[&str]) -> bool {
        self.only.is_empty() || self.only.iter().any(|row| rows.contains(&row.as_str()))
    }

    fn compare<R>(&self, documents: &[String], row: impl FnMut() -> R) -> Reading {
        let yardstick = || documents.iter().filter(|text| yardstick(text).is_object()).count();
        compare(self.budget, documents.len(), yardstick, row)
    }

    fn attributes(&self, matcher: &Matcher, documents: &[String]) -> Reading {
        let events: Vec<_> = documents.iter().map(|document| read(document)).collect();
        let mut scratch = Scratch::default();
        let mut hit = |event| hit(matcher, event, &mut scratch);
        self.compare(documents, || events.iter().map(&mut hit).sum::<usize>())
    }

    /// Times only the matches, of events that were touched just before.
    fn cold(&self, matcher: &Matcher, documents: &[String]) -> Reading {
        let events: Vec<_> = documents.iter().map(|document| read(document)).collect();
        let mut scratch = Scratch::default();
        let mut matches = |block: &[Event<'_>]| {
            black_box(block.iter().map(touch).sum::<usize>());
            time(|| block.iter().map(|event| hit(matcher, event, &mut scratch)).sum::<usize>())
        };
        let yardstick = || documents.iter().filter(|text| yardstick(text).is_object()).count();
        let row = || events.chunks(16).map(&mut matches).sum();
        compare_parts(self.budget, documents.len(), yardstick, row)
    }

    fn bytes(&self, matcher: &Matcher, documents: &[String]) -> Reading {
        let (mut scratch, mut shapes) = (Scratch::default(), ShapeCache::default());
        let mut hit =
            |document: &String| hit(matcher, &read_with(document, &mut shapes), &mut scratch);
        self.compare(documents, || documents.iter().map(&mut hit).sum::<usize>())
    }

    fn bytes_without_shapes(&self, matcher: &Matcher, documents: &[String]) -> Reading {
        let mut scratch = Scratch::default();
        let mut hit = |document: &String| hit(matcher, &read(document), &mut scratch);
        self.compare(documents, || documents.iter().map(&mut hit).sum::<usize>())
    }

    fn batched(&self, matcher: &Matcher, documents: &[String]) -> Reading {
        let events: Vec<_> = documents.iter().map(|document| read(document)).collect();
        let (queries, mut scratch) = (queries(&events), Scratch::default());
        self.compare(documents, || {
            let mut hits = 0;
            for queries in queries.chunks(64) {
                hits +=
                    matcher.matches_all(queries, &mut scratch).map(|of| of.len()).sum::<usize>();
            }
            hits
        })
    }

    fn figures(&self, mix: Mix, webhooks: usize) -> Figures {
        let load = Load::with_events(mix, webhooks, self.cold_events());
        let (matcher, documents) = (load.matcher(), &load.documents[..self.events()]);
        let events: Vec<_> = documents.iter().map(|document| read(document)).collect();
        let mut scratch = Scratch::default();
        let hits: usize = events.iter().map(|event| hit(&matcher, event, &mut scratch)).sum();
        let scan = |event| {
            let matching =
                load.subscriptions.iter().filter(|one| one.matches(event, Access::EventOwner));
            matching.count()
        };
        let some = &events[..events.len() / 100];
        let scan = (0..5).map(|_| warm(some.len(), || some.iter().map(scan).sum::<usize>()));
        Figures {
            mix,
            webhooks,
            hits: hits as f64 / events.len() as f64,
            scan: median(scan.collect()),
            attributes: self.attributes(&matcher, documents),
            cold: self.cold(&matcher, &load.documents),
            bytes: self.bytes(&matcher, documents),
            batched: self.batched(&matcher, documents),
        }
    }

    /// Prints rows 1 to 4, and returns the figures of all loads.
    fn matching(&self) -> Vec<Figures> {
        if !self.includes(&["1", "2", "3", "4"]) {
            return Vec::new();
        }
        let sizes = [1_000, 100_000].map(|webhooks| webhooks / self.scale);
        let loads = Mix::ALL.into_iter().flat_map(|mix| sizes.map(|webhooks| (mix, webhooks)));
        let loads: Vec<_> = loads.map(|(mix, webhooks)| self.figures(mix, webhooks)).collect();
        let find = |mix, webhooks| {
            let found = loads.iter().find(|load| load.mix == mix && load.webhooks == webhooks);
            found.expect("all are measured")
        };
        let [small, large] = sizes;
        let load = find(Mix::Selective, large);
        let crowd = format!("{} webhooks, {:.1} matches per event", commas(large), load.hits);
        part_of_yardstick("1", &format!("bytes → matches, {crowd}"), load.bytes, 4.0, 8.0);
        self.shapes("1", &Load::with_events(Mix::Selective, large, self.cold_events()));
        let what = format!("attributes → matches, {crowd}");
        part_of_yardstick("2", &what, load.attributes, 10.0, 20.0);
        part_of_yardstick("2", &format!("{what}, in batches of 64"), load.batched, 10.0, 20.0);
        cold_row("2", COLD, load.cold, 0.8, 0.5);
        let load = find(Mix::Growing, large);
        let what = format!(
            "attributes → matches, growing mix, {} webhooks, {:.1} matches per event",
            commas(large),
            load.hits
        );
        no_target("2", &what, load.attributes);
        cold_row("2", COLD, load.cold, 0.6, 0.46);
        let load = find(Mix::Selective, small);
        let what = format!("attributes → matches, {} webhooks", commas(small));
        part_of_yardstick("3", &what, load.attributes, 40.0, 60.0);
        no_target("3", COLD, load.cold);

        let load = find(Mix::Full, large);
        let nanos = load.attributes.micros * 1e3 / load.hits;
        let value = load.attributes.ratio * 1.7 * 1e3 / load.hits;
        let unit = |nanos| format!("{nanos} ns");
        let crowd = format!("{} webhooks, {} matches", commas(large), commas(load.hits as usize));
        table::row(
            "4",
            &format!("attributes → matches, full mix, {crowd} per event: time per match"),
            &format!("{} ns ({} per event)", number(nanos), micros(load.attributes.micros)),
            &format!("{} ns if Y is 1.7 µs", number(value)),
            &[Goal { value, must: 0.2, aim: 0.1, unit }],
        );
        no_target("4", &format!("{COLD}: time per event"), load.cold);
        loads
    }

    fn events(&self) -> usize {
        EVENTS.min(self.cold_events())
    }

    fn cold_events(&self) -> usize {
        COLD_EVENTS / self.scale
    }

    /// Prints a row that starts from bytes for other events: cold ones, and other shapes.
    fn shapes(&self, row: &str, load: &Load) {
        let (matcher, documents) = (load.matcher(), &load.documents[..self.events()]);
        let reading = self.bytes_without_shapes(&matcher, documents);
        no_target(row, "the same without remembered shapes", reading);
        let documents = support::of_eight_shapes(documents);
        no_target(row, "the same with eight shapes in turn", self.bytes(&matcher, &documents));
        no_target(row, COLD_BYTES, self.bytes(&matcher, &load.documents));
    }

    fn without_type(&self) {
        if self.includes(&["5"]) {
            let (size, events) = (100_000 / self.scale, self.cold_events());
            let load = Load::with_events(Mix::Selective, size, events).without_type();
            let reading = self.bytes(&load.matcher(), &load.documents[..self.events()]);
            part_of_yardstick("5", "bytes → no webhook of the event type", reading, 5.0, 9.0);
            self.shapes("5", &load);
        }
    }

    /// Prints row 6, cold first: of many tenants, each is cold.
    fn tenants(&self) {
        if self.includes(&["6"]) {
            let tenants = 1_000 / self.scale;
            let load = Load::of_tenants(tenants, 100, self.cold_events());
            let (matcher, documents) = (load.matcher(), &load.documents[..self.events()]);
            let what =
                format!("attributes → matches, {} tenants, 100 webhooks each", commas(tenants));
            let cold = self.cold(&matcher, &load.documents);
            no_target("6", &format!("{what}, 30,000 events: index not in the caches"), cold);
            part_of_yardstick("6", &what, self.attributes(&matcher, documents), 10.0, 20.0);
        }
    }

    /// Prints rows for less usual filters and values, warm and cold.
    fn others(&self) {
        if !self.includes(&["12"]) {
            return;
        }
        let (size, events) = (100_000 / self.scale, self.cold_events());
        let loads = [
            ("values of 68 bytes", Load::of_long_values(size, events)),
            ("filters of 20 terms", Load::of_terms(20, size / 20, events)),
            ("filters of 100 terms", Load::of_terms(100, size / 100, events)),
        ];
        for (what, load) in loads {
            let (matcher, documents) = (load.matcher(), &load.documents[..self.events()]);
            let what = format!("attributes → matches, {} webhooks, {what}", commas(matcher.len()));
            no_target("12", &what, self.attributes(&matcher, documents));
            no_target("12", COLD, self.cold(&matcher, &load.documents));
        }
    }

    /// Prints rows 7 to 9.
    fn million(&self) {
        if !self.includes(&["7", "8", "9"]) {
            return;
        }
        let webhooks = 1_000_000 / self.scale;
        let size = commas(webhooks);
        let churn = webhooks / 5;
        let texts: Vec<String> = filters(Mix::Selective, webhooks + churn).collect();
        let (texts, more) = texts.split_at(webhooks);
        let mut matcher = Matcher::new(&PROFILE);
        let mut slots = Vec::with_capacity(webhooks);
        let rounds = (0..3).map(|_| {
            matcher = Matcher::new(&PROFILE);
            slots.clear();
            let fill = || slots.extend(texts.iter().map(|text| insert(&mut matcher, TENANT, text)));
            time(fill).as_secs_f64()
        });
        let seconds = median(rounds.collect());
        let yard = self.yardstick();
        let each = share(seconds * 1e6 / webhooks as f64 / yard);
        table::row(
            "7",
            &format!("filter text → indexed, {size} webhooks"),
            &format!("{} s", number(seconds)),
            &format!("{each} per webhook"),
            &[Goal { value: seconds, must: 1.5, aim: 0.5, unit: |of| format!("{of} s") }],
        );
        let each = matcher.bytes() as f64 / webhooks as f64;
        table::row(
            "8",
            &format!("memory per webhook, {size} webhooks with shared values: `Matcher::bytes`"),
            &format!("{} bytes", number(each)),
            "",
            &[Goal { value: each, must: 100.0, aim: 40.0, unit: |of| format!("{of} bytes") }],
        );

        let mut packed = matcher.clone();
        packed.shrink();
        let each = packed.bytes() as f64 / webhooks as f64;
        table::row(
            "8",
            "the same after `Matcher::shrink`",
            &format!("{} bytes", number(each)),
            "",
            &[Goal { value: each, must: 56.0, aim: 40.0, unit: |of| format!("{of} bytes") }],
        );
        drop(packed);

        let (mut inserts, mut removes) = (Vec::new(), Vec::new());
        // In another order than the webhooks were inserted in.
        let mut at = 0;
        for text in more {
            at = (at + 618_033) % slots.len();
            let slot = slots[at];
            removes.push(time(|| matcher.remove(slot)));
            inserts.push(time(|| slots[at] = insert(&mut matcher, TENANT, text)));
        }
        for (what, calls) in [("insert from text", inserts), ("remove by slot", removes)] {
            let calls = Calls::new(calls);
            let [half, p99, longest] = [0.5, 0.99, 1.0].map(|share| calls.within(share));
            let unit = |of| format!("{of} µs");
            table::row(
                "9",
                &format!("{what}, {size} webhooks: median / p99"),
                &format!("{} / {} (longest {})", micros(half), micros(p99), micros(longest)),
                &format!("{} / {}", share(half / yard), share(p99 / yard)),
                &[
                    Goal { value: half, must: 1.5, aim: 0.3, unit },
                    Goal { value: p99, must: 10.0, aim: 1.0, unit },
                ],
            );
        }
    }

    /// Returns the microseconds of the yardstick.
    fn yardstick(&self) -> f64 {
        let load = Load::new(Mix::Selective, 0);
        self.compare(&load.documents, || ()).yardstick
    }

    fn parsing(&self) {
        if !self.includes(&["10"]) {
            return;
        }
        let documents = Load::new(Mix::Selective, 0).documents;
        for (terms, text) in [("4 terms", texts::FOUR), ("100 terms", &texts::hundred())] {
            let check = |_: &String| PROFILE.filter(text).is_ok();
            let reading =
                self.compare(&documents, || documents.iter().filter(|of| check(of)).count());
            table::elsewhere(
                "10",
                &format!("parse and check a filter of {terms}"),
                &micros(reading.micros),
                &share(reading.ratio),
                ["0.7 of scim_proto", "0.25 of scim_proto"],
                "`benches/peers`",
            );
        }
    }

    fn workloads(&self, loads: &[Figures]) {
        let yards = loads.iter().flat_map(|load| [load.attributes, load.bytes]);
        let yards: Vec<_> = yards.map(|reading| reading.yardstick).collect();
        if yards.is_empty() {
            return;
        }
        println!("\nY took {} in the same run:\n", micros(median(yards)));
        println!(
            "| workload | webhooks | matches per event | from attributes | index cold | in batches of 64 | from bytes | plain scan | scan / index |\n|{}",
            " --- |".repeat(9)
        );
        for load in loads {
            println!(
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                load.mix.name(),
                commas(load.webhooks),
                number(load.hits),
                micros(load.attributes.micros),
                micros(load.cold.micros),
                micros(load.batched.micros),
                micros(load.bytes.micros),
                micros(load.scan),
                number(load.scan / load.attributes.micros),
            );
        }
    }
}
