//! What things cost, in counters: allocations, look-ups, evaluations, memory, stack.
use allocation_counter::measure;
use bytes::Bytes;
use hooksieve::delivery::RequestBuilder;
use hooksieve::diagnostic::Diagnostic;
use hooksieve::event::{Event, EventType, ShapeCache, TenantId};
use hooksieve::filter::Profile;
use hooksieve::matcher::{Access, Audience, Matcher, Scratch, Subscription};
use hooksieve::registry::Registry;
use hooksieve::syntax::{Expr, Limits};
use hooksieve::webhook::{ListQuery, NewWebhook, Rules, Webhook, WebhookDocument};
use serde_json::json;

fn insert(matcher: &mut Matcher, profile: &Profile, filter: &str) {
    let filter = profile.filter(filter).unwrap();
    matcher.insert(&Subscription::new("t", ["x"], filter)).unwrap();
}

/// 2,000 webhooks of every shape.
fn crowd(profile: &Profile) -> Matcher {
    let mut matcher = Matcher::new(profile);
    for n in 0..500 {
        insert(&mut matcher, profile, &format!(r#"id eq "i{n}" or spaceId eq "s{}""#, n % 50));
        insert(
            &mut matcher,
            profile,
            &format!(r#"spaceId eq "s{}" and data.status eq "ok""#, n % 50),
        );
        insert(&mut matcher, profile, &format!(r#"spaceId ne "s{}""#, n % 50));
        let filter = profile.filter(&format!(r#"id ne "i{n}""#)).unwrap();
        let owner = Audience::Owner(format!("u{}", n % 20).into());
        matcher.insert(&Subscription::new("t", ["x"], filter).with_audience(owner)).unwrap();
    }
    matcher
}

const EVENT: &[u8] = br#"{"type":"x","tenantid":"t","ownerid":"u3","spaceid":"s7","data":{"id":"i7","status":"ok"}}"#;

#[test]
fn a_warm_match_allocates_nothing() {
    let profile = Profile::webhook();
    let matcher = crowd(&profile);
    let mut scratch = Scratch::default();
    let event = profile.read_event(EVENT).unwrap();
    let users = ["u3".into(), "u4".into(), "u3".into()];
    for access in
        [Access::Everyone, Access::EventOwner, Access::Users(&users), Access::Predicate(&|_| true)]
    {
        let cold = matcher.matches(&event, access, &mut scratch).count();
        assert!(cold > 500);
        let mut warm = 0;
        let used = measure(|| {
            warm = matcher.matches(&event, access, &mut scratch).count();
        });
        assert_eq!((used.count_total, warm), (0, cold), "{access:?}");
    }
}

#[test]
fn a_warm_reader_allocates_nothing() {
    let rules = Rules::default();
    let registry = Registry::new(&rules);
    let webhook = |n: usize| {
        let draft = json!({
            "name": "n", "url": "https://a.example/", "enabled": true, "filter": format!("spaceId eq \"s{}\"", n % 9),
            "eventTypes": ["com.qlik.v1.app.created"],
        });
        let creation = NewWebhook::new(format!("w{n}"), "u", std::time::UNIX_EPOCH.into());
        Webhook::create(&draft.into(), &rules, creation).unwrap().webhook
    };
    let _ = registry.load("t", (0..900).map(webhook)).unwrap();
    let event = Event::new(
        rules.profile().attribute_paths(),
        TenantId::from("t"),
        EventType::from("com.qlik.v1.app.created"),
    );
    let event = event.with_attribute("spaceId", "s7").unwrap();
    let mut session = registry.session();
    for round in 1..4 {
        let ask = |session: &mut hooksieve::registry::Session| {
            session.matches(&event, Access::EventOwner).unwrap().webhooks().count()
        };
        assert_eq!(ask(&mut session), 100);
        let mut hits = 0;
        let used = measure(|| hits = ask(&mut session));
        assert_eq!((used.count_total, hits), (0, 100));
        // After a change, too.
        let _ = registry.put(&"t".into(), webhook(7)).unwrap();
        assert_eq!(registry.stats(&"t".into()).unwrap().revision, round);
    }
}

/// What the matcher says that it holds is what the allocator gave it.
#[test]
fn bytes_are_counted() {
    let profile = Profile::webhook();
    let mut matcher = None;
    let used = measure(|| matcher = Some(crowd(&profile)));
    assert_eq!(matcher.unwrap().bytes() as i64, used.bytes_current);
}

#[test]
fn reading_allocates_only_for_escapes() {
    let profile = Profile::webhook();
    let mut hits = 0;
    let plain = measure(|| hits += usize::from(profile.read_event(EVENT).unwrap().id().is_none()));
    assert_eq!(plain.count_total, 0, "nothing is copied");
    let escaped = br#"{"type":"x","tenantid":"t","data":{"id":"\u0069","other":"\u0069"}}"#;
    let once =
        measure(|| hits += profile.read_event(escaped).unwrap().attribute("id").unwrap().len());
    assert!(once.count_total <= 2, "one string: {once:?}");
}

/// ShapeCache are learned once; whatever comes then, they hold no more than they say.
#[test]
fn known_shapes_allocate_nothing_and_new_ones_little() {
    let profile = Profile::webhook();
    let (mut shapes, mut hits) = (ShapeCache::default(), 0);
    let mut read = |bytes: &[u8]| {
        hits += usize::from(profile.read_event_with(bytes, &mut shapes).is_ok());
    };
    (0..50).for_each(|_| read(EVENT));
    let warm = measure(|| (0..50).for_each(|_| read(EVENT)));
    assert_eq!(warm.count_total, 0, "nothing is learned twice");
    let long = "[0],".repeat(100_000);
    let documents: Vec<_> = (0..20_000)
        .map(|n| match n % 2000 {
            0 => format!(r#"{{"type":"x","tenantid":"t","x":[{long}0]}}"#),
            _ => format!(r#"{{"type":"x","tenantid":"t","{}{n}":"","x":1}}"#, "x".repeat(n % 500)),
        })
        .collect();
    let new = measure(|| documents.iter().for_each(|document| read(document.as_bytes())));
    assert!(new.bytes_max <= 50_000, "{new:?}");
}

/// The work for an event follows what it touches, not how many webhooks there are.
#[test]
fn work_does_not_grow_with_webhooks_that_are_not_touched() {
    let profile = Profile::webhook();
    let mut work = Vec::new();
    for count in [100, 10_000] {
        let mut matcher = Matcher::new(&profile);
        for n in 0..count {
            insert(
                &mut matcher,
                &profile,
                &format!(r#"id eq "i{n}" or topLevelResourceId eq "r{n}""#),
            );
            insert(
                &mut matcher,
                &profile,
                &format!(r#"spaceId eq "s{n}" and data.status eq "ok""#),
            );
        }
        let mut scratch = Scratch::default();
        let event = profile.read_event(EVENT).unwrap();
        assert_eq!(matcher.matches(&event, Access::EventOwner, &mut scratch).len(), 2);
        work.push(scratch.work());
    }
    assert_eq!(work[0], work[1]);
    // `data.status` is posted nowhere, since a conjunction is found by its most selective key.
    assert_eq!((work[0].postings, work[0].tests), (2, 1));
    assert!(work[0].probes <= 4);
}

/// A value under which no filter is found is looked up where a test needs it, and once at most.
#[test]
fn an_attribute_that_is_only_tested_costs_no_lookup_without_a_test() {
    let profile = Profile::webhook();
    let mut matcher = Matcher::new(&profile);
    let owners = [Audience::Tenant, Audience::Owner("u1".into()), Audience::Owner("u2".into())];
    let slots = owners.map(|audience| {
        let filter = profile.filter(r#"spaceId eq "s1" and data.status eq "ok""#).unwrap();
        let subscription = Subscription::new("t1", ["x"], filter).with_audience(audience);
        matcher.insert(&subscription).unwrap()
    });
    let mut scratch = Scratch::default();
    let mut work = |matcher: &Matcher, space| {
        let event =
            Event::new(profile.attribute_paths(), TenantId::from("t1"), EventType::from("x"))
                .with_attribute("spaceId", space);
        let event = event.unwrap().with_attribute("data.status", "ok").unwrap();
        let one = matcher.matches(&event, Access::Everyone, &mut scratch).len();
        let work = scratch.work();
        let query = [(&event, Access::Everyone); 3];
        let many = matcher.matches_all(&query, &mut scratch);
        assert!(many.map(|hits| hits.len()).all(|many| many == one));
        assert_eq!(scratch.work().probes, 3 * work.probes);
        (one, work.probes, work.tests)
    };
    assert_eq!(work(&matcher, "s2"), (0, 1, 0));
    assert_eq!(work(&matcher, "s1"), (3, 2, 3));
    // Now one filter is found by it, so that it is looked up for each event.
    let filter = profile.filter(r#"data.status eq "error""#).unwrap();
    let slot = matcher.insert(&Subscription::new("t1", ["x"], filter)).unwrap();
    assert_eq!(work(&matcher, "s2"), (0, 2, 0));
    assert_eq!(work(&matcher, "s1"), (3, 2, 3));
    matcher.remove(slot);
    assert_eq!(work(&matcher, "s2"), (0, 1, 0));
    slots.into_iter().for_each(|slot| assert!(matcher.remove(slot)));
    assert_eq!(work(&matcher, "s1"), (0, 0, 0));
}

#[test]
fn an_event_nobody_wants_costs_no_lookup() {
    let profile = Profile::webhook();
    let matcher = crowd(&profile);
    let mut scratch = Scratch::default();
    for (tenant, event_type) in [("t", "other"), ("other", "x")] {
        let event = Event::new(
            profile.attribute_paths(),
            TenantId::from(tenant),
            EventType::from(event_type),
        );
        let event = event.with_attribute("id", "i7").unwrap();
        assert_eq!(matcher.matches(&event, Access::Everyone, &mut scratch).len(), 0);
        assert_eq!(scratch.work(), Scratch::default().work());
    }
}

/// A key that alone turns the verdict does so wherever else it stands in the filter.
#[test]
fn a_key_that_is_enough_needs_no_evaluation() {
    let profile = Profile::webhook();
    for filter in [
        r#"id eq "i7" and spaceId eq "s7" or id eq "i7""#,
        r#"id eq "i7" or id eq "i7" and spaceId eq "s7""#,
    ] {
        let mut matcher = Matcher::new(&profile);
        insert(&mut matcher, &profile, filter);
        let mut scratch = Scratch::default();
        let event = profile.read_event(EVENT).unwrap();
        assert_eq!(matcher.matches(&event, Access::EventOwner, &mut scratch).len(), 1);
        assert_eq!((scratch.work().postings, scratch.work().tests), (1, 0), "{filter}");
    }
}

/// A number that stood for a value is given to another one only once nothing is known by it.
#[test]
fn a_forgotten_value_is_not_taken_for_another() {
    let profile = Profile::webhook();
    let mut matcher = Matcher::new(&profile);
    let filter = |text: &str| Subscription::new("t", ["x"], profile.filter(text).unwrap());
    let first = matcher.insert(&filter(r#"id eq "a" and spaceId eq "s""#)).unwrap();
    let keeps_the_key = matcher.insert(&filter(r#"id eq "a""#)).unwrap();
    assert!(matcher.remove(first));
    let text = r#"topLevelResourceId eq "r" and (id eq "b" or spaceId eq "s")"#;
    matcher.insert(&filter(text)).unwrap();
    let event = Event::new(profile.attribute_paths(), TenantId::from("t"), EventType::from("x"));
    let event = event.with_attribute("id", "a").unwrap();
    let event = event.with_attribute("topLevelResourceId", "r").unwrap();
    let mut scratch = Scratch::default();
    let hits = matcher.matches(&event, Access::EventOwner, &mut scratch);
    assert!(hits.eq([keeps_the_key]));
}

/// Shared between threads, and moved into them.
#[test]
fn everything_is_send_and_sync() {
    fn check<T: Send + Sync>() {}
    check::<Profile>();
    check::<hooksieve::filter::Filter>();
    check::<Expr>();
    check::<Event<'static>>();
    check::<Matcher>();
    check::<Registry>();
    check::<hooksieve::registry::Session>();
    check::<Scratch>();
    check::<Subscription>();
    check::<Diagnostic>();
}

#[test]
fn equal_filters_share_one_plan() {
    let profile = Profile::webhook();
    let mut matcher = Matcher::new(&profile);
    insert(&mut matcher, &profile, r#"id eq "a" and spaceId ne "s""#);
    insert(&mut matcher, &profile, r#"(ID EQ "a")  AND (spaceid NE "s")"#);
    insert(&mut matcher, &profile, r#"spaceId ne "s" and id eq "a""#);
    assert_eq!(matcher.stats().plans, 2);
}

/// A result or an error, with memory and allocations within a small multiple of the input. Steps of
/// the parser are counted where it is, in `src/syntax/steps.rs`.
fn bounded(text: &str, limits: Limits) -> Result<Expr, Diagnostic> {
    let mut result = None;
    let used = measure(|| result = Some(Expr::parse_within(text, limits)));
    let most = 50 * text.len() as u64 + 4096;
    assert!(used.bytes_max <= most, "{} bytes for {}", used.bytes_max, text.len());
    // What grows is copied, each time to memory of twice the size.
    assert!(used.bytes_total <= 2 * most, "{} bytes in all for {}", used.bytes_total, text.len());
    assert!(used.count_total <= 200 + text.len() as u64 / 2, "{used:?} for {}", text.len());
    result.unwrap()
}

fn wide() -> Limits {
    Limits::default().with_bytes(usize::MAX).with_depth(usize::MAX).with_terms(usize::MAX)
}

#[test]
fn hostile_sizes_are_bounded() {
    let kind = |text: &str, limits| bounded(text, limits).err().map(|error| error.code());
    let brackets = "(".repeat(100_000);
    assert_eq!(kind(&brackets, Limits::default()), Some("filter-too-long"));
    assert_eq!(kind(&brackets, wide()), Some("filter-too-deep"));
    assert_eq!(kind(&"not(".repeat(100_000), wide()), Some("filter-too-deep"));
    assert_eq!(kind(&"a[b pr or ".repeat(100_000), wide()), Some("filter-too-deep"));
    assert_eq!(kind(&")".repeat(100_000), wide()), Some("filter-unopened-bracket"));
    let string = format!("id eq \"{}\"", "x".repeat(1_000_000));
    assert_eq!(kind(&string, Limits::default()), Some("filter-too-long"));
    assert_eq!(kind(&string, wide()), None);
    assert_eq!(kind(&string[..900_000], wide()), Some("filter-unclosed-string"));
    let escapes = format!("id eq \"{}\"", "\\u0041".repeat(200_000));
    assert_eq!(kind(&escapes, wide()), None);
    let or = vec!["id eq \"x\""; 10_000].join(" or ");
    assert_eq!(kind(&or, Limits::default()), Some("filter-too-long"));
    assert_eq!(kind(&or, wide()), None);
    // The densest trees.
    assert_eq!(kind(&vec!["a pr"; 100_000].join(" or "), wide()), None);
    assert_eq!(kind(&vec!["not(a pr)"; 10_000].join(" or "), wide()), None);
    assert_eq!(kind(&vec!["a[b pr]"; 10_000].join(" or "), wide()), None);
    let groups = vec!["(a pr)"; 100_000].join(" and ");
    assert_eq!(kind(&groups, wide()), None);
    assert_eq!(kind(&"a:".repeat(500_000), wide()), Some("filter-invalid-path"));
    assert_eq!(kind(&"a.".repeat(500_000), wide()), Some("filter-invalid-path"));
    assert_eq!(kind(&" ".repeat(1_000_000), wide()), Some("filter-empty"));
    assert_eq!(
        kind(&format!("id eq {}", "é".repeat(500_000)), wide()),
        Some("filter-unquoted-value")
    );
}

/// A group's node is put before operands that are read already, and taken away from between others.
#[test]
fn deep_brackets_round_many_terms_are_bounded() {
    let many = vec!["a pr"; 100_000].join(" or ");
    for (opening, closing) in [("(", ") or b pr and c pr"), ("b pr and c pr or (", ")")] {
        for other in [(opening, closing), ("(", ") and d pr"), ("d pr or (", ")")] {
            let mut text = many.clone();
            for depth in 0..Limits::MAX_DEPTH {
                let (before, after) = if depth % 2 == 0 { (opening, closing) } else { other };
                text = format!("{before}{text}{after}");
            }
            assert!(bounded(&text, wide()).is_ok());
        }
    }
}

/// As deep as a filter can get: brackets at the ceiling, `and` and `or` in turn.
fn deepest() -> String {
    let mut text = r#"id eq "x""#.to_owned();
    for depth in 0..Limits::MAX_DEPTH {
        let joint = if depth % 2 == 0 { "or" } else { "and" };
        text = format!(r#"(id ne "y" {joint} {text} {joint} spaceId eq "s")"#);
    }
    text
}

/// The whole way of a filter, through every stage, on a stack of 128 KiB.
#[test]
fn the_deepest_filter_survives_a_small_stack() {
    let work = || {
        let text = deepest();
        let profile = Profile::webhook().with_limits(wide());
        let expr = Expr::parse_within(&text, wide()).unwrap();
        assert_eq!(expr, expr.clone());
        assert_eq!(Expr::parse_within(&expr.to_string(), wide()).unwrap(), expr);
        assert!(!format!("{expr:?}").is_empty());
        let filter = profile.check(&expr).unwrap();
        assert_eq!(profile.filter(&filter.to_string()).unwrap(), filter);
        let event =
            Event::new(profile.attribute_paths(), TenantId::from("t"), EventType::from("x"))
                .with_attribute("id", "y")
                .unwrap();
        let holds = filter.matches(&event);
        assert_eq!(filter.explain(&event).holds(), holds);
        let mut matcher = Matcher::new(&profile);
        let slot = matcher.insert(&Subscription::new("t", ["x"], filter)).unwrap();
        let mut scratch = Scratch::default();
        assert_eq!(
            matcher.matches(&event, Access::EventOwner, &mut scratch).len(),
            usize::from(holds)
        );
        assert!(matcher.remove(slot));

        let not =
            format!("{}a pr{}", "not(".repeat(Limits::MAX_DEPTH), ")".repeat(Limits::MAX_DEPTH));
        let expr = Expr::parse_within(&not, wide()).unwrap();
        assert_eq!(Expr::parse_within(&expr.to_string(), wide()).unwrap(), expr);
        // Errors from deep inside.
        for broken in [&text[..text.len() - 1], &text[..text.len() / 2], &not[..not.len() / 2]] {
            assert!(Expr::parse_within(broken, wide()).is_err());
        }
        let nested =
            format!(r#"{{"type":"x","tenantid":"t","a":{}1{}}}"#, "[".repeat(126), "]".repeat(126));
        assert!(profile.read_event(nested.as_bytes()).is_ok());
        let deeper = "[".repeat(1_000_000);
        assert!(profile.read_event(deeper.as_bytes()).is_err());
    };
    let thread = std::thread::Builder::new().stack_size(128 << 10).spawn(work).unwrap();
    assert!(thread.join().is_ok());
}

/// Allocates in proportion to the body, whatever is wrong with it.
#[test]
fn hostile_drafts_allocate_in_proportion() {
    let [few, many] = [5_000, 50_000].map(|many| measure(|| hostile_drafts(many)));
    assert!(many.count_total <= 11 * few.count_total, "{few:?} {many:?}");
    assert!(many.bytes_total <= 11 * few.bytes_total, "{few:?} {many:?}");
}

fn hostile_drafts(many: usize) {
    let rules = Rules::default();
    let headers: serde_json::Map<_, _> =
        (0..many).map(|n| (format!("x-{n}"), "v".into())).collect();
    let types: Vec<_> = (0..many).map(|n| format!("{n}{}", "x".repeat(100))).collect();
    let doubled = format!("{{{}}}", vec!["\"x-a\":\"\""; many].join(","));
    let doubled =
        serde_json::from_str::<WebhookDocument>(&format!("{{\"headers\":{doubled}}}")).unwrap();
    let url = format!("https://{}/", "ü".repeat(20 * many));
    for draft in [
        WebhookDocument::from(json!({"headers": headers, "encryptedHeaders": headers})),
        WebhookDocument::from(json!({"eventTypes": types})),
        WebhookDocument::from(serde_json::Value::Object(headers)),
        WebhookDocument::from(json!({"url": url, "name": url, "filter": url, "secret": url})),
        WebhookDocument::from(json!({"url": format!("https://a.b/?{}", "|".repeat(20 * many))})),
        doubled,
    ] {
        assert!(!rules.check(&draft).errors().is_empty());
    }
    let operations = vec![json!({"op": "add", "path": "/nmae", "value": ""}); many];
    let draft = json!({"name": "n", "url": "https://a.b/"});
    let creation = NewWebhook::new("w", "u", std::time::UNIX_EPOCH.into());
    let webhook = Webhook::create(&draft.into(), &rules, creation).unwrap().webhook;
    let patch = serde_json::Value::Array(operations).into();
    assert!(webhook.patched(&patch, &rules, webhook.updated().clone()).is_err());
    let query = format!("{}{}", "eventTypes=a&".repeat(many), "limit=1&".repeat(many));
    assert!(ListQuery::read(&query).is_err());
}

/// A request allocates for its signature, and an event once for all its requests: that, and what
/// its conversion takes.
#[test]
fn requests_allocate_for_signatures_alone() {
    let rules = Rules::default();
    let count = |secret: bool, cloud_events: bool| {
        let registry = Registry::new(&rules);
        let webhook = |number: usize| {
            let mut draft = json!({
                "name": "n", "url": "https://hooks.example.com/", "enabled": true,
                "eventTypes": ["com.qlik.v1.app.created"], "headers": {"X-Team": "data"},
                "enableCloudEventDelivery": cloud_events,
            });
            if secret {
                draft["secret"] = "0123456789abcdef0123456789abcdef".into();
            }
            let creation = NewWebhook::new(number.to_string(), "u1", std::time::UNIX_EPOCH.into());
            Webhook::create(&WebhookDocument::from(draft), &rules, creation).unwrap().webhook
        };
        let _ = registry.load("t", (0..100).map(webhook)).unwrap();
        let (mut session, sender) = (registry.session(), RequestBuilder::default());
        let bytes = Bytes::from_static(br#"{"type":"com.qlik.v1.app.created","tenantid":"t"}"#);
        let mut run = || {
            let requests = session.deliveries(&sender, bytes.clone(), Access::EventOwner).unwrap();
            requests.map(|request| request.headers().count()).sum::<usize>()
        };
        assert_eq!(run(), if secret { 400 } else { 300 });
        measure(|| assert!(run() > 0)).count_total
    };
    assert_eq!(count(false, true), 1, "the payload");
    assert_eq!(count(true, true), 1 + 100, "a signature each");
    let converted = count(false, false);
    assert!(converted <= 20, "converting once takes {converted}");
}
