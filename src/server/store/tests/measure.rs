//! Prints figures on request: `STORE_MEASURE=1 cargo test --release --features serve --bins --
//! measures --nocapture`.

use super::random::Random;
use super::{Directory, all, variable, wait};
use crate::server::store::contract::{Attempt, DeliveryRow, Store, WebhookChange, WebhookRow};
use crate::server::store::sqlite::{Settings, Sqlite};
use hooksieve::delivery::{ListQuery, Status};
use std::time::{Duration, Instant, UNIX_EPOCH};

const ROWS: u64 = 1_000_000;

fn row(number: u64, random: &mut Random) -> DeliveryRow {
    let time = UNIX_EPOCH + Duration::from_millis(1_700_000_000_000 + number * 600);
    DeliveryRow {
        id: format!("{:016x}", (1_700_000_000_000 + number * 600) << 16 | number & 0xffff).into(),
        webhook: "w".into(),
        triggered_at: time.into(),
        // One in a thousand fails, so that a few rows are spread over the whole history.
        status: if random.below(1_000) == 0 { Status::Fail } else { Status::Success },
        event_type: random
            .one(&["com.qlik.v1.app.created", "com.qlik.v1.app.deleted", "rare"])
            .into(),
        document: format!("\"{}\"", "x".repeat(900)).into(),
        attempt: Attempt::default(),
    }
}

/// Returns the median and the slowest of 200 calls.
pub(super) fn time(mut call: impl FnMut()) -> (Duration, Duration) {
    let mut times: Vec<_> = (0..200)
        .map(|_| {
            let start = Instant::now();
            call();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    (times[100], times[199])
}

/// Lists with few rows among many, and from a cursor in the middle.
fn queries(middle: &DeliveryRow) -> Vec<String> {
    let place = |sort: &str| {
        let place = serde_json::json!([sort, middle.triggered_at.to_string(), middle.id]);
        data_encoding::BASE64URL_NOPAD.encode(place.to_string().as_bytes())
    };
    vec![
        String::new(),
        "status=fail".to_owned(),
        "eventType=rare&status=fail".to_owned(),
        "sort=status".to_owned(),
        "sort=-status".to_owned(),
        format!("next={}", place("-triggeredAt")),
        format!("prev={}", place("-triggeredAt")),
        format!("sort=triggeredAt&next={}", place("triggeredAt")),
    ]
}

#[test]
fn measures() {
    if std::env::var_os("STORE_MEASURE").is_none() {
        return;
    }
    let place = Directory::new();
    let store = Sqlite::open(&Settings::new(place.path())).unwrap();
    let (tenant, webhook) = ("t".into(), "w".into());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let document = "{}".into();
    let put = WebhookChange::Put(WebhookRow { id: "w".into(), document });
    wait(store.commit(&tenant, 0, put)).unwrap();
    let mut random = Random(1);
    let total = variable("STORE_ROWS", ROWS as usize) as u64;

    let start = Instant::now();
    let mut number = 0;
    while number < total {
        // 64 concurrent writers, each with a few rows.
        let mut writes = Vec::new();
        for _ in 0..64 {
            let rows = (0..8).map(|index| row(number + index, &mut random)).collect();
            writes.push(store.record(&tenant, rows));
            number += 8;
        }
        for result in runtime.block_on(all(writes)) {
            result.unwrap();
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{total} rows in {seconds:.1} s: {:.0} rows/s", total as f64 / seconds);

    let single = time(|| runtime.block_on(store.ping()).unwrap());
    println!("one commit: {single:?}");
    for query in queries(&row(total / 2, &mut random)) {
        let list = ListQuery::read(&query).unwrap();
        let page = || {
            let page = store.deliveries(&tenant, &webhook, &list, UNIX_EPOCH.into());
            assert_eq!(runtime.block_on(page).unwrap().rows.len(), 20);
        };
        println!("page {query:.40}: {:?}", time(page));
    }
    let before = row(total / 10, &mut random).triggered_at;
    let start = Instant::now();
    let expired = runtime.block_on(store.expire(before, before, 5_000)).unwrap();
    println!("expire {expired}: {:?}", start.elapsed());
    let size = std::fs::metadata(place.path().join("hooksieve.db")).unwrap().len();
    println!("{} bytes a row", size / total);
}
