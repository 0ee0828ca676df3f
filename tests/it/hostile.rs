//! Worst cases: the most expensive inputs that a hostile tenant or a broken producer can send.
//!
//! Each case runs at one size and at ten times that size. Tests check counters of work, and no
//! times. With `HOSTILE_TIMES` set, they print the times.
use hooksieve::delivery::{Delivery, Payload, RequestBuilder, Response};
use hooksieve::event::{Envelope, Event, EventType, ShapeCache, TenantId, UserId};
use hooksieve::filter::Profile;
use hooksieve::matcher::{Access, Audience, Matcher, Scratch, Subscription, Verdict, Work};
use hooksieve::registry::{Registry, Verdicts};
use hooksieve::syntax::Limits;
use hooksieve::webhook::{ListQuery, NewWebhook, Patch, Rules, Webhook, WebhookDocument};
use serde_json::json;
use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

/// Runs `work` on an input of size `few` and on one ten times as large.
///
/// With `HOSTILE_TIMES` set, it prints how long each takes. No test depends on a time, which varies
/// with the load of the machine.
fn at_both_sizes<T>(name: &str, few: usize, make: impl Fn(usize) -> T, work: impl Fn(&T)) {
    let inputs = [make(few), make(10 * few)];
    inputs.iter().for_each(&work);
    if std::env::var_os("HOSTILE_TIMES").is_none() {
        return;
    }
    let best = inputs.map(|input| {
        let time = |_| {
            let begin = Instant::now();
            work(&input);
            begin.elapsed()
        };
        (0..20).map(time).min().unwrap_or_default()
    });
    let ratio = best[1].as_secs_f64() / best[0].as_secs_f64();
    println!("{name}, sizes {few} and {}: {best:?}, ratio {ratio:.1}", 10 * few);
}

fn subscription(profile: &Profile, filter: &str) -> Subscription {
    Subscription::new("t", ["x"], profile.filter(filter).unwrap())
}

/// Returns the work for an event and the number of its hits, among `count` subscriptions.
fn matched(
    count: usize,
    filter: impl Fn(usize) -> String,
    event: &[(&str, &str)],
) -> (Work, usize) {
    let profile = Profile::webhook();
    let mut matcher = Matcher::new(&profile);
    for n in 0..count {
        matcher.insert(&subscription(&profile, &filter(n))).unwrap();
    }
    let mut parts =
        Event::new(profile.attribute_paths(), TenantId::from("t"), EventType::from("x"));
    for (name, value) in event {
        parts = parts.with_attribute(name, *value).unwrap();
    }
    let mut scratch = Scratch::default();
    let hits = matcher.matches(&parts, Access::Everyone, &mut scratch).len();
    (scratch.work(), hits)
}

/// Filters that make one posting list long, and an event that has its value.
#[test]
fn visits_each_posting_of_a_shared_key_once() {
    let event = [("id", "i7"), ("spaceId", "s"), ("topLevelResourceId", "r")];
    let all = |_| r#"spaceId eq "s""#.to_owned();
    let tested = |n| format!(r#"spaceId eq "s" and id ne "i{n}""#);
    // They are indexed by either value, and the residual predicate tests the other.
    let in_vain = |n| format!(r#"spaceId eq "s" and topLevelResourceId eq "o" and id ne "i{n}""#);
    // Found under each of the event's three values, but returned once.
    let by_three = |_| r#"id eq "i7" or spaceId eq "s" or topLevelResourceId eq "r""#.to_owned();
    // Too long for a residual predicate that is stored with the posting.
    let long = |n: usize| {
        let ids: Vec<_> = (0..100).map(|at| format!(r#"id ne "{n}-{at}""#)).collect();
        format!(r#"spaceId eq "s" and ({} or id eq "no")"#, ids.join(" and "))
    };
    for count in [200, 2_000] {
        let of = |filter: &dyn Fn(usize) -> String| {
            let (work, hits) = matched(count, filter, &event);
            assert!(work.probes <= 3, "one look-up per value");
            (work.postings, work.tests, hits)
        };
        assert_eq!(of(&all), (count, 0, count));
        assert_eq!(of(&tested), (count, count, count - 1));
        assert_eq!(of(&in_vain), (count / 2, count / 2, 0));
        assert_eq!(of(&by_three), (3 * count, 0, count));
        assert_eq!(of(&long), (count, count, count));
    }
}

/// 10,000 webhooks that differ in one term cost as much as one webhook.
#[test]
fn visits_only_the_webhook_whose_term_holds() {
    let event = [("id", "i7"), ("spaceId", "s")];
    let filter = |n| format!(r#"spaceId eq "s" and topLevelResourceId ne "r" and id eq "i{n}""#);
    let default = |n| format!(r#"id ne "i{n}""#);
    for count in [1_000, 10_000] {
        let (work, hits) = matched(count, filter, &event);
        assert_eq!((work.postings, work.tests, hits), (1, 1, 1));
        let (work, hits) = matched(count, default, &event);
        assert_eq!((work.probes, work.postings, work.tests, hits), (1, 1, 0, count - 1));
    }
}

/// Each webhook has another owner: a match for one owner does not visit the others.
#[test]
fn visits_no_webhooks_of_other_owners() {
    let profile = Profile::webhook();
    let mut matcher = Matcher::new(&profile);
    for n in 0..5_000 {
        let owner = Audience::Owner(format!("u{n}").into());
        let subscription = subscription(&profile, r#"spaceId eq "s""#).with_audience(owner);
        matcher.insert(&subscription).unwrap();
    }
    let event = Event::new(profile.attribute_paths(), TenantId::from("t"), EventType::from("x"))
        .with_owner("u7");
    let event = event.with_attribute("spaceId", "s").unwrap();
    let mut scratch = Scratch::default();
    assert_eq!(matcher.matches(&event, Access::EventOwner, &mut scratch).len(), 1);
    assert_eq!(scratch.work().postings, 1);
    assert_eq!(matcher.matches(&event, Access::Everyone, &mut scratch).len(), 5_000);
    assert_eq!(scratch.work().postings, 5_000);
}

/// Returns a matcher with many webhooks per owner: half match by a value, half by default.
fn owned(profile: &Profile, owners: usize, each: usize) -> Matcher {
    let mut matcher = Matcher::new(profile);
    for n in 0..owners * each {
        let filter = if n % 2 == 0 { r#"spaceId eq "s""# } else { r#"id ne "i""# };
        let owner = Audience::Owner(format!("u{}", n / each).into());
        matcher.insert(&subscription(profile, filter).with_audience(owner)).unwrap();
    }
    matcher
}

/// The caller's list of users may contain duplicates in any order.
#[test]
fn visits_each_owner_bucket_once_per_event() {
    let profile = Profile::webhook();
    let matcher = owned(&profile, 3, 1_000);
    let event = Event::new(profile.attribute_paths(), TenantId::from("t"), EventType::from("x"))
        .with_attribute("spaceId", "s")
        .unwrap();
    let mut scratch = Scratch::default();
    let users = |names: &[&str], times: usize| -> Vec<UserId> {
        names.iter().copied().cycle().take(times * names.len()).map(UserId::from).collect()
    };
    let mut runs: Vec<UserId> = users(&["u1"], 5_000);
    runs.extend(users(&["u0"], 5_000));
    runs.extend(users(&["u1"], 5_000));
    for (listed, buckets) in [
        (users(&["u1"], 1), 1),
        (users(&["u1"], 10_000), 1),
        (users(&["u1", "u2"], 1), 2),
        (users(&["u2", "u0", "u1"], 4_000), 3),
        (users(&["u2", "unknown", "u0", "", "u2"], 2_000), 2),
        (runs, 2),
        (users(&["unknown"], 10_000), 0),
        (users(&["unknown", ""], 1), 0),
        (Vec::new(), 0),
    ] {
        let access = Access::Users(&listed);
        let hits: Vec<_> = matcher.matches(&event, access, &mut scratch).collect();
        assert_eq!((hits.len(), hits.is_sorted()), (1_000 * buckets, true));
        let work = scratch.work();
        assert_eq!((work.buckets, work.postings), (buckets, 500 * buckets), "{}", listed.len());
        let warm = allocation_counter::measure(|| {
            matcher.matches(&event, access, &mut scratch);
        });
        assert_eq!(warm.count_total, 0, "a warm match allocates nothing");
        // Several events share no work: each visits its buckets.
        let queries = [(&event, access); 3];
        let together = matcher.matches_all(&queries, &mut scratch);
        assert!(together.map(|found| found.collect::<Vec<_>>()).all(|found| found == hits));
        assert_eq!(scratch.work().buckets, 3 * buckets);
    }
    // The same scratch memory with another matcher, which has more buckets.
    let other = owned(&profile, 5, 10);
    let listed = users(&["u4", "u0", "u4"], 2);
    assert_eq!(other.matches(&event, Access::Users(&listed), &mut scratch).len(), 20);
    assert_eq!(scratch.work().buckets, 2);
}

/// The access predicate may be expensive, so it is called at most once per user.
#[test]
fn calls_the_access_predicate_at_most_once_per_user() {
    let profile = Profile::webhook();
    let matcher = owned(&profile, 20, 50);
    let event = Event::new(profile.attribute_paths(), TenantId::from("t"), EventType::from("x"))
        .with_attribute("spaceId", "s")
        .unwrap();
    let called = RefCell::new(Vec::new());
    let may_access = |user: &UserId| {
        called.borrow_mut().push(user.clone());
        user.as_str().ends_with('7')
    };
    let once = |users: usize| {
        let mut called = called.borrow_mut();
        called.sort_unstable();
        let all = called.len();
        called.dedup();
        assert_eq!((called.len(), all), (users, users));
        called.clear();
    };
    let mut scratch = Scratch::default();
    assert_eq!(matcher.matches(&event, Access::Predicate(&may_access), &mut scratch).len(), 100);
    assert_eq!(scratch.work().buckets, 2);
    once(20);

    // Verdicts are computed webhook by webhook, and still call it once per user.
    let rules = Rules::default();
    let registry = Registry::new(&rules);
    let all = (0..200).map(|n| {
        let document = json!({
            "name": "n", "url": "https://a.example/", "enabled": n % 5 > 0, "level": "user",
            "ownerId": format!("u{}", n % 20), "eventTypes": ["com.qlik.v1.app.created"],
        });
        let new = NewWebhook::new(format!("w{n}"), "u", std::time::UNIX_EPOCH.into());
        Webhook::create(&document.into(), &rules, new).unwrap().webhook
    });
    let _ = registry.load("t", all).unwrap();
    let event = Event::new(
        rules.profile().attribute_paths(),
        TenantId::from("t"),
        EventType::from("com.qlik.v1.app.created"),
    );
    let verdicts = registry.verdicts(&event, Access::Predicate(&may_access)).unwrap();
    let matched = verdicts.webhooks.iter().filter(|(_, verdict)| *verdict == Verdict::Matched);
    assert_eq!(matched.count(), 20);
    // It is not called for owners whose webhooks are all disabled.
    once(16);
    let listed: Vec<UserId> =
        ["u7", "", "u17"].iter().cycle().take(9_000).map(|u| (*u).into()).collect();
    let users = registry.verdicts(&event, Access::Users(&listed)).unwrap();
    assert_eq!(users.webhooks.len(), verdicts.webhooks.len());
    let sorted = |verdicts: Verdicts| {
        let mut all = verdicts.webhooks;
        all.sort_unstable_by(|(a, _), (b, _)| a.id().cmp(b.id()));
        all
    };
    assert_eq!(sorted(users), sorted(verdicts));
}

/// Filters far above the default limits, in shapes whose insertion was once quadratic.
#[test]
fn matches_long_filters_like_the_reference() {
    let wide = Limits::default().with_bytes(usize::MAX).with_terms(usize::MAX);
    let profile = Profile::webhook().with_limits(wide);
    let list = |count: usize, joint: &str, term: &dyn Fn(usize) -> String| {
        (0..count).map(term).collect::<Vec<_>>().join(joint)
    };
    let eq = |name: &'static str| move |n: usize| format!(r#"{name} eq "{n}""#);
    let shapes: [(&str, &dyn Fn(usize) -> String); 6] = [
        ("or", &|count| list(count, " or ", &eq("id"))),
        ("two lists", &|count| {
            let (ids, spaces) =
                (list(count, " or ", &eq("id")), list(count, " or ", &eq("spaceId")));
            format!("({ids}) and ({spaces})")
        }),
        ("pairs", &|count| {
            list(count, " or ", &|n| format!(r#"(id eq "{n}" and spaceId eq "{n}")"#))
        }),
        ("and", &|count| {
            list(count, " and ", &|n| format!(r#"(id ne "{n}" or spaceId ne "{n}")"#))
        }),
        ("one value", &|count| {
            list(count, " or ", &|n| format!(r#"(id eq "a" and spaceId eq "{n}")"#))
        }),
        ("nested", &|count| {
            let list = list(count, " or ", &eq("id"));
            (0..60).fold(list, |text, n| match n % 2 {
                0 => format!(r#"({text}) and spaceId eq "{n}""#),
                _ => format!(r#"({text}) or topLevelResourceId eq "{n}""#),
            })
        }),
    ];
    for (name, shape) in shapes {
        let make = |count| {
            let types = (0..4).map(|n| format!("type{n}"));
            Subscription::new("t", types, profile.filter(&shape(count)).unwrap())
        };
        at_both_sizes(name, 400, make, |subscription| {
            let mut matcher = Matcher::new(&profile);
            let slot = matcher.insert(subscription).unwrap();
            assert_eq!(matcher.get(slot).as_ref(), Some(subscription));
            for (id, space) in [("7", "7"), ("7", "8"), ("a", "59"), ("no", "58"), ("no", "no")] {
                let event = Event::new(
                    profile.attribute_paths(),
                    TenantId::from("t"),
                    EventType::from("type1"),
                );
                let event = event.with_attribute("id", id).unwrap();
                let event = event.with_attribute("spaceId", space).unwrap();
                let found =
                    matcher.matches(&event, Access::EventOwner, &mut Scratch::default()).len();
                let matches = subscription.matches(&event, Access::EventOwner);
                assert_eq!(found, usize::from(matches), "{name} with {id} and {space}");
            }
            assert!(matcher.remove(slot));
        });
    }
}

/// Returns an event of a size.
type Make = fn(usize) -> String;

/// Events of up to a megabyte.
fn events() -> [(&'static str, Make); 10] {
    fn with(more: &str) -> String {
        format!(r#"{{"type":"x","tenantid":"t",{more}}}"#)
    }
    fn members(count: usize, member: impl Fn(usize) -> String) -> String {
        with(&(0..count).map(member).collect::<Vec<_>>().join(","))
    }
    [
        ("one string", |n| with(&format!(r#""spaceid":"{}""#, "x".repeat(10 * n)))),
        ("keys", |n| members(n, |n| format!(r#""k{n}":0"#))),
        ("extensions", |n| {
            let inner: Vec<_> = (0..n).map(|n| format!(r#""k{n}":"""#)).collect();
            with(&format!(r#""extensions":{{{}}}"#, inner.join(",")))
        }),
        ("duplicate keys", |n| members(n, |_| r#""k":"""#.into())),
        ("duplicate keys that are read", |n| members(n, |_| r#""id":"""#.into())),
        ("escaped keys", |n| members(n, |n| format!(r#""\u006b{n}":"""#))),
        ("escapes", |n| with(&format!(r#""spaceid":"{}""#, r"\u0041\n".repeat(n)))),
        ("escaped strings", |n| members(n, |n| format!(r#""k{n}":"\"\\\u0041""#))),
        ("digits", |n| with(&format!(r#""n":{},"m":1e{}"#, "9".repeat(300), "0".repeat(10 * n)))),
        ("arrays", |n| with(&format!(r#""n":[{}0]"#, "[[]],".repeat(n)))),
    ]
}

/// Reads each event with and without a shape cache, and converts it both ways.
#[test]
fn reads_large_and_odd_events() {
    let profile = Profile::webhook();
    for (name, make) in events() {
        at_both_sizes(name, 10_000, make, |text| {
            let read = profile.read_event(text.as_bytes());
            assert_eq!(read.is_err(), name == "duplicate keys that are read");
            let mut shapes = ShapeCache::default();
            for _ in 0..2 {
                let shaped = profile.read_event_with(text.as_bytes(), &mut shapes);
                assert_eq!(shaped.is_ok(), read.is_ok());
            }
        });
        let legacy = |n| make(n).replace(r#""type":"#, r#""eventType":"#);
        at_both_sizes(
            name,
            2_000,
            |n| [make(n), legacy(n)],
            |texts| {
                for text in texts {
                    let Ok(event) = profile.read_event(text.as_bytes()) else { continue };
                    let payload = Payload::new(&event, text.clone());
                    let bodies =
                        [payload.body(Envelope::Legacy), payload.body(Envelope::CloudEvents)];
                    assert!(bodies.iter().all(|body| body.len() < 2 * text.len() + 200));
                }
            },
        );
    }
    // Refused at the depth limit, without reading the rest.
    for deep in ["[".repeat(10_000), r#"{"a":"#.repeat(10_000)] {
        let error = profile.read_event(deep.as_bytes()).unwrap_err();
        assert_eq!(error.kind().code(), "event-too-deep");
    }
}

#[test]
fn refuses_large_and_odd_documents_and_patches() {
    let rules = Rules::default();
    let webhook = webhook(&rules, 0);
    let members = |n: usize| {
        let members = (0..n).map(|n| (format!("member-{n}"), json!("")));
        serde_json::Value::Object(members.collect())
    };
    let text = |n: usize| json!({"name": "n", "url": "https://a.b/", "filter": "x".repeat(n)});
    let documents: [(&str, &dyn Fn(usize) -> serde_json::Value); 7] = [
        ("members", &members),
        ("headers", &|n| json!({"headers": members(n), "encryptedHeaders": members(n)})),
        ("types", &|n| json!({"eventTypes": (0..n).map(|n| n.to_string()).collect::<Vec<_>>()})),
        ("same types", &|n| json!({"eventTypes": vec!["a"; n]})),
        ("long filter", &|n| text(10 * n)),
        ("host", &|n| json!({"url": format!("https://{}/", "xn--a.".repeat(n))})),
        ("path", &|n| json!({"url": format!("https://a.b/{}", "%2e%2e/".repeat(n))})),
    ];
    for (name, make) in documents {
        at_both_sizes(
            name,
            3_000,
            |n| serde_json::to_vec(&make(n)).unwrap(),
            |bytes| {
                assert!(!rules.check(&WebhookDocument::read(bytes).unwrap()).errors().is_empty());
            },
        );
    }
    let operations: [(&str, &dyn Fn(usize) -> serde_json::Value); 5] = [
        ("toggle", &|n| json!({"op": "replace", "path": "/enabled", "value": n % 2 == 0})),
        ("absent", &|_| json!({"op": "remove", "path": "/secret"})),
        ("unknown", &|n| json!({"op": "add", "path": format!("/{n}"), "value": ""})),
        ("headers", &|_| json!({"op": "add", "path": "/headers", "value": members(20)})),
        ("types", &|_| json!({"op": "add", "path": "/eventTypes", "value": vec!["a"; 50]})),
    ];
    for (name, operation) in operations {
        let make = |n| serde_json::to_vec(&(0..n).map(operation).collect::<Vec<_>>()).unwrap();
        at_both_sizes(name, 400, make, |bytes| {
            let patch = Patch::read(bytes).unwrap();
            let patched = webhook.patched(&patch, &rules, webhook.updated().clone());
            assert_eq!(patched.is_ok(), ["toggle", "headers"].contains(&name));
        });
    }
}

fn webhook(rules: &Rules, n: usize) -> Webhook {
    let document = json!({
        "name": "a".repeat(512), "url": format!("https://a.example/{n}"), "enabled": true,
        "filter": format!("spaceId eq \"s{n}\""), "eventTypes": ["com.qlik.v1.app.created"],
    });
    let new = NewWebhook::new(format!("w{n}"), "u", std::time::UNIX_EPOCH.into());
    Webhook::create(&document.into(), rules, new).unwrap().webhook
}

/// A query is read once. Its length has no influence on the time to compare it with a webhook.
#[test]
fn applies_long_queries() {
    let rules = Rules::default();
    let webhooks: Vec<_> = (0..500).map(|n| webhook(&rules, n)).collect();
    let many = 300_000;
    let names: Vec<_> = (0..many / 3).map(|n| n.to_string()).collect();
    for (query, found) in [
        (format!("name={}", "*".repeat(many)), 500),
        (format!("name=a{}a", "*".repeat(many)), 500),
        (format!("name={}", "*a".repeat(many)), 0),
        (format!("name=a*{}*", "b".repeat(many)), 0),
        (format!("name=*{}*b", "a*".repeat(500)), 0),
        (format!("name={}*", "a".repeat(512)), 500),
        (format!("eventTypes={}", names.join(",")), 0),
        (format!("eventTypes={}com.qlik.v1.app.created", "a&eventTypes=".repeat(many / 10)), 500),
        (format!("origins={}", ["management-console"; 50_000].join(",")), 0),
        (format!("ownerId={}", "u".repeat(many)), 0),
    ] {
        let list =
            ListQuery::read(&query).unwrap_or_else(|error| panic!("{}: {error}", &query[..40]));
        assert_eq!(webhooks.iter().filter(|webhook| list.wants(webhook)).count(), found);
        assert_eq!(list.apply(&webhooks).items().len(), found.min(20));
    }
    let read = |query: &String| drop(ListQuery::read(query));
    at_both_sizes("unknown", 2_000, |n| "a=&".repeat(n), read);
    at_both_sizes("names", 2_000, |n| (0..n).map(|n| format!("{n}=&")).collect(), read);
    at_both_sizes("cursor", 20_000, |n| format!("next={}", "a".repeat(n)), read);
}

/// Many tenants, many webhooks, and a header that announces more webhooks than there are.
#[test]
fn reads_large_and_odd_snapshots() {
    let rules = Rules::default();
    let written = |tenants: usize, webhooks: usize| {
        let registry = Registry::new(&rules);
        for tenant in 0..tenants {
            let webhooks = (0..webhooks).map(|n| webhook(&rules, n));
            let _ = registry.load(format!("t{tenant}"), webhooks).unwrap();
        }
        let mut bytes = Vec::new();
        registry.write_snapshot(&mut bytes).unwrap();
        bytes
    };
    let read = |bytes: &Vec<u8>| {
        assert!(Registry::new(&rules).read_snapshot(&**bytes).is_ok());
    };
    at_both_sizes("tenants", 500, |n| written(n, 0), read);
    at_both_sizes("webhooks", 30, |n| written(1, n), read);
    let announced = format!(
        "{}\n{{\"tenant\":\"t\",\"revision\":0,\"webhooks\":{}}}\n",
        r#"{"format":"hooksieve-snapshot","version":1}"#,
        usize::MAX
    );
    let used = allocation_counter::measure(|| {
        let error = Registry::new(&rules).read_snapshot(announced.as_bytes()).unwrap_err();
        assert_eq!(error.kind().code(), "snapshot-damaged");
    });
    let empty = allocation_counter::measure(|| drop(Registry::new(&rules)));
    assert!(used.bytes_max < empty.bytes_max + 10_000, "{used:?}");
}

/// A receiver may send a secret back, encoded in any way that leaves it readable as text.
#[test]
fn omits_secrets_echoed_in_long_values() {
    let rules = Rules::default();
    let secret = format!("{}b", "a".repeat(1_500));
    let document = json!({
        "name": "n", "url": "https://a.example/", "eventTypes": [],
        "encryptedHeaders": {"X-Key": secret, "X-Short": "k3y"},
    });
    let new = NewWebhook::new("w", "u", std::time::UNIX_EPOCH.into());
    let webhook = Arc::new(Webhook::create(&document.into(), &rules, new).unwrap().webhook);
    let bytes: &[u8] = br#"{"type":"x","tenantid":"t"}"#;
    let payload = Payload::new(&rules.profile().read_event(bytes).unwrap(), bytes);
    let request = RequestBuilder::default().request(&webhook, &payload);
    let shown = |value: Vec<u8>| {
        let value = http::HeaderValue::from_bytes(&value).unwrap();
        let headers = http::HeaderMap::from_iter([(http::header::ETAG, value)]);
        let response = Response { status: http::StatusCode::OK, headers, body: Default::default() };
        let now = std::time::UNIX_EPOCH.into();
        let delivery = Delivery::new("d", &request, now, Ok(&response));
        !serde_json::to_string(&delivery).unwrap().contains(r#""etag":"**OMITTED**""#)
    };
    let nearly = "a".repeat(1_000_000);
    let broken = b"k3\xffk3\xc3y\xffk\xe93y".repeat(10_000);
    assert!(shown(nearly.clone().into()) && shown(broken.clone()));
    assert!(!shown([nearly.as_bytes(), b"b"].concat()));
    assert!(!shown([&*broken, b"\xffk3y\xc3"].concat()));
    assert!(!shown([&*broken, b"\xc3", secret.as_bytes(), b"\xa9"].concat()));
    at_both_sizes(
        "nearly",
        50_000,
        |n| nearly[..n].into(),
        |value: &Vec<u8>| {
            assert!(shown(value.clone()));
        },
    );
}

/// Each hash table has a random seed of its own, so that an attacker cannot choose values that
/// collide. The order of tenants shows the seed.
#[test]
fn seeds_each_registry_differently() {
    let rules = Rules::default();
    let order = || {
        let registry = Registry::new(&rules);
        (0..50).for_each(|n| drop(registry.load(format!("t{n}"), []).unwrap()));
        registry.tenants()
    };
    let orders: HashSet<_> = (0..10).map(|_| order()).collect();
    assert_eq!(orders.len(), 10);
}
