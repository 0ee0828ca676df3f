//! Parsing and checking filter texts of several lengths: row 10 of the targets.
//!
//! `cargo bench --bench filters`. Compare figures of one run only.
#![allow(missing_docs, unreachable_pub, reason = "a benchmark")]
#![allow(clippy::expect_used, reason = "a benchmark")]

#[path = "support/texts.rs"]
mod texts;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hooksieve::filter::Profile;
use hooksieve::syntax::Expr;
use texts::{FOUR, UUIDS};

fn filters(c: &mut Criterion) {
    let profile = Profile::webhook();
    let hundred = texts::hundred();
    for (name, text) in
        [("10: 4 terms", FOUR), ("2 terms with UUIDs", UUIDS), ("10: 100 terms", &hundred)]
    {
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input("parse", text, |b, text| {
            b.iter(|| Expr::parse(text).expect("a filter"));
        });
        group.bench_with_input("parse and check", text, |b, text| {
            b.iter(|| profile.filter(text).expect("a filter"));
        });
        group.finish();
    }
}

criterion_group!(benches, filters);
criterion_main!(benches);
