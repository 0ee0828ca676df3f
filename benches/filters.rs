//! Filter texts turned into trees (`Expr`) and into checked filters, small and large.
//!
//! `cargo bench --bench filters`; compare within one run.
#![allow(missing_docs, unreachable_pub, reason = "a benchmark")]
#![allow(clippy::expect_used, reason = "a benchmark")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hooksieve::filter::Profile;
use hooksieve::syntax::Expr;

const FOUR: &str = r#"id eq "id123" or spaceId eq "spaceId123" or spaceId eq "spaceId456" or topLevelResourceId eq "id789""#;

fn hundred() -> String {
    let attributes = ["id", "spaceId", "topLevelResourceId"].into_iter().cycle();
    let terms = attributes.take(100).enumerate();
    let terms: Vec<_> = terms.map(|(n, name)| format!(r#"{name} eq "value-{n:03}""#)).collect();
    terms.join(" or ")
}

/// What most filters look like: ids are UUIDs.
const UUIDS: &str = r#"spaceId eq "5f2c1a90-6d8b-4d1c-9e4b-0a1b2c3d4e5f" or id eq "7e2c1a90-6d8b-4d1c-9e4b-0a1b2c3d4e5f""#;

fn filters(c: &mut Criterion) {
    let profile = Profile::webhook();
    let hundred = hundred();
    for (name, text) in [("four terms", FOUR), ("two UUIDs", UUIDS), ("hundred terms", &hundred)] {
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input("parse", text, |b, text| {
            b.iter(|| Expr::parse(text).expect("a filter"));
        });
        group.bench_with_input("parse and check", text, |b, text| {
            b.iter(|| profile.filter(text, None).expect("a filter"));
        });
        group.finish();
    }
}

criterion_group!(benches, filters);
criterion_main!(benches);
