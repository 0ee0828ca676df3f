//! A store that answers a list by its lookup returns the same page as `apply`.
use data_encoding::BASE64URL_NOPAD;
use hooksieve::delivery::{Delivery, ListQuery, Lookup, SortBy, SortKey, Status};
use hooksieve::webhook::Timestamp;
use proptest::prelude::*;
use serde_json::json;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

fn time(seconds: u64) -> Timestamp {
    (UNIX_EPOCH + Duration::from_secs(seconds)).into()
}

fn delivery(id: &str, event_type: &str, status: Status, seconds: u64) -> Delivery {
    let document = json!({
        "id": id, "status": status, "eventType": event_type, "webhookId": "w1",
        "triggeredAt": time(seconds).to_string(),
        "request": {"url": "https://hooks.example.com/", "body": "{}", "headers": {}},
    });
    Delivery::read(document.to_string().as_bytes()).unwrap()
}

/// Compares a delivery with a place: before, at or after it.
fn order(lookup: &Lookup<'_>, delivery: &Delivery, key: SortKey, id: &str) -> Ordering {
    let keys = match key {
        SortKey::Status(status) => delivery.status().as_str().cmp(status.as_str()),
        SortKey::TriggeredAt(time) => delivery.triggered_at().cmp(&time),
    };
    let keys = if lookup.descending { keys.reverse() } else { keys };
    keys.then_with(|| delivery.id().as_str().cmp(id))
}

/// Returns what a store finds: the rows of the page, and whether there are rows before and after.
fn found<'d>(lookup: &Lookup<'_>, all: &'d [Delivery]) -> (Vec<&'d Delivery>, bool, bool) {
    let selected = |delivery: &&Delivery| {
        lookup.status.is_none_or(|status| status == delivery.status())
            && lookup.event_type.is_none_or(|name| name == delivery.event_type().as_str())
    };
    let mut rows: Vec<_> = all.iter().filter(selected).collect();
    let key = |delivery: &Delivery| match lookup.sort {
        SortBy::Status => SortKey::Status(delivery.status()),
        SortBy::TriggeredAt => SortKey::TriggeredAt(delivery.triggered_at()),
    };
    rows.sort_by(|a, b| order(lookup, a, key(b), b.id().as_str()));
    let (from, to) = match lookup.place {
        None => (0, lookup.limit),
        Some(place) => {
            let at = |row: &&Delivery| order(lookup, row, place.key, place.id);
            let (before, up_to) = (
                rows.iter().filter(|row| at(row).is_lt()).count(),
                rows.iter().filter(|row| at(row).is_le()).count(),
            );
            match place.backwards {
                false => (up_to, up_to + lookup.limit),
                true => (before.saturating_sub(lookup.limit), before),
            }
        }
    };
    let to = to.min(rows.len());
    let (before, after) = (from > 0, to < rows.len());
    (rows[from..to].to_vec(), before, after)
}

fn queries() -> impl Strategy<Value = String> {
    let sort = prop::sample::select(vec!["", "status", "-status", "triggeredAt", "-triggeredAt"]);
    let filters = prop::sample::select(vec![
        "limit=2",
        "limit=3&status=fail",
        "eventType=x",
        "limit=1&eventType=y&status=success",
    ]);
    let cursor = (any::<bool>(), "(d[0-9]?)?", prop::sample::select(Status::ALL.to_vec()), 0..8u64);
    (sort, filters, prop::option::of(cursor)).prop_map(|(sort, filters, cursor)| {
        let word = if sort.is_empty() { "-triggeredAt" } else { sort };
        let mut query = format!("{filters}&sort={word}");
        if let Some((next, id, status, seconds)) = cursor {
            let key = match word.ends_with("status") {
                true => status.to_string(),
                false => time(seconds).to_string(),
            };
            let place = json!([word, key, id]).to_string();
            let cursor = BASE64URL_NOPAD.encode(place.as_bytes());
            query += &format!("&{}={cursor}", if next { "next" } else { "prev" });
        }
        query
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn makes_the_pages_of_apply_from_a_lookup(
        all in prop::collection::btree_map("d[0-9]", (any::<bool>(), any::<bool>(), 0..8u64), 0..10),
        query in queries(),
    ) {
        let all: BTreeMap<_, _> = all;
        let all: Vec<_> = all.iter().map(|(id, (x, ok, seconds))| {
            let status = if *ok { Status::Success } else { Status::Fail };
            delivery(id, if *x { "x" } else { "y" }, status, *seconds)
        }).collect();
        let list = ListQuery::read(&query).unwrap();
        let (rows, before, after) = found(&list.lookup(), &all);
        let page = list.page(rows, before, after);
        let body = |page| serde_json::to_value(page).unwrap();
        prop_assert_eq!(body(page.body("/d")), body(list.apply(&all).body("/d")));
    }
}

#[test]
fn refuses_cursors_that_no_delivery_has() {
    for (sort, key) in [("status", "failed"), ("-triggeredAt", "")] {
        let place = json!([sort, key, "d1"]).to_string();
        let cursor = BASE64URL_NOPAD.encode(place.as_bytes());
        let problems = ListQuery::read(&format!("sort={sort}&next={cursor}")).unwrap_err();
        assert_eq!(problems.iter().next().unwrap().code(), "list-invalid-cursor", "{sort}");
    }
}
