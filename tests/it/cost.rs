//! Costs, measured by counters: allocations, look-ups, evaluations, memory, stack.
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

/// Returns a matcher with 2,000 subscriptions of different shapes.
fn large_matcher(profile: &Profile) -> Matcher {
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
fn allocates_nothing_in_a_warm_match() {
    let profile = Profile::webhook();
    let matcher = large_matcher(&profile);
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
fn allocates_nothing_in_a_warm_session() {
    let rules = Rules::default();
    let registry = Registry::new(&rules);
    let webhook = |n: usize| {
        let document = json!({
            "name": "n", "url": "https://a.example/", "enabled": true, "filter": format!("spaceId eq \"s{}\"", n % 9),
            "eventTypes": ["com.qlik.v1.app.created"],
        });
        let new = NewWebhook::new(format!("w{n}"), "u", std::time::UNIX_EPOCH.into());
        Webhook::create(&document.into(), &rules, new).unwrap().webhook
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
        let count = |session: &mut hooksieve::registry::Session| {
            session.matches(&event, Access::EventOwner).unwrap().webhooks().count()
        };
        assert_eq!(count(&mut session), 100);
        let mut hits = 0;
        let used = measure(|| hits = count(&mut session));
        assert_eq!((used.count_total, hits), (0, 100));
        // The next round matches after this change.
        let _ = registry.put(&"t".into(), webhook(7)).unwrap();
        assert_eq!(registry.stats(&"t".into()).unwrap().revision, round);
    }
}

#[test]
fn keeps_little_for_an_empty_tenant() {
    const TENANTS: i64 = 1_000;
    let registry = Registry::new(&Rules::default());
    let used = measure(|| {
        for n in 0..TENANTS {
            let _ = registry.load(format!("t{n}").as_str(), std::iter::empty()).unwrap();
        }
    });
    let each = used.bytes_current / TENANTS;
    assert!(each <= 500, "{each} bytes");
}

/// `bytes` is what the allocator returned.
#[test]
fn counts_the_bytes_of_a_matcher() {
    let profile = Profile::webhook();
    let mut matcher = None;
    let used = measure(|| matcher = Some(large_matcher(&profile)));
    assert_eq!(matcher.unwrap().bytes() as i64, used.bytes_current);
}

#[test]
fn allocates_only_for_escapes_when_reading() {
    let profile = Profile::webhook();
    let mut hits = 0;
    let plain = measure(|| hits += usize::from(profile.read_event(EVENT).unwrap().id().is_none()));
    assert_eq!(plain.count_total, 0, "an event without escapes borrows its values");
    let escaped = br#"{"type":"x","tenantid":"t","data":{"id":"\u0069","other":"\u0069"}}"#;
    let once =
        measure(|| hits += profile.read_event(escaped).unwrap().attribute("id").unwrap().len());
    assert!(once.count_total <= 2, "expected one string: {once:?}");
}

/// A shape is learned once, and a `ShapeCache` stays within its limit for any documents.
#[test]
fn allocates_nothing_for_known_shapes_and_little_for_new_ones() {
    let profile = Profile::webhook();
    let (mut shapes, mut hits) = (ShapeCache::default(), 0);
    let mut read = |bytes: &[u8]| {
        hits += usize::from(profile.read_event_with(bytes, &mut shapes).is_ok());
    };
    (0..50).for_each(|_| read(EVENT));
    let warm = measure(|| (0..50).for_each(|_| read(EVENT)));
    assert_eq!(warm.count_total, 0, "a known shape is learned again");
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

/// The work depends on what the event touches, not on the number of webhooks.
#[test]
fn does_no_work_for_untouched_webhooks() {
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
    // `data.status` has no posting: a conjunction is indexed by its most selective value.
    assert_eq!((work[0].postings, work[0].tests), (2, 1));
    assert!(work[0].probes <= 4);
}

/// A value that is no access key is looked up at most once, when a test needs it.
#[test]
fn looks_up_residual_attributes_only_for_a_test() {
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
    // Now it is an access key of one filter, so it is looked up for each event.
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
fn looks_up_nothing_without_a_subscription() {
    let profile = Profile::webhook();
    let matcher = large_matcher(&profile);
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

/// A key that is sufficient in one term is sufficient, even if it occurs in other terms.
#[test]
fn evaluates_nothing_for_a_sufficient_key() {
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

/// A value id is reused only after its last reference is released.
#[test]
fn does_not_confuse_a_released_value_with_another() {
    let profile = Profile::webhook();
    let mut matcher = Matcher::new(&profile);
    let filter = |text: &str| Subscription::new("t", ["x"], profile.filter(text).unwrap());
    let first = matcher.insert(&filter(r#"id eq "a" and spaceId eq "s""#)).unwrap();
    let keeps_the_value = matcher.insert(&filter(r#"id eq "a""#)).unwrap();
    assert!(matcher.remove(first));
    let text = r#"topLevelResourceId eq "r" and (id eq "b" or spaceId eq "s")"#;
    matcher.insert(&filter(text)).unwrap();
    let event = Event::new(profile.attribute_paths(), TenantId::from("t"), EventType::from("x"));
    let event = event.with_attribute("id", "a").unwrap();
    let event = event.with_attribute("topLevelResourceId", "r").unwrap();
    let mut scratch = Scratch::default();
    let hits = matcher.matches(&event, Access::EventOwner, &mut scratch);
    assert!(hits.eq([keeps_the_value]));
}

/// The types can be shared between threads and sent to them.
#[test]
fn has_send_and_sync_types() {
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
fn shares_one_plan_among_equal_filters() {
    let profile = Profile::webhook();
    let mut matcher = Matcher::new(&profile);
    insert(&mut matcher, &profile, r#"id eq "a" and spaceId ne "s""#);
    insert(&mut matcher, &profile, r#"(ID EQ "a")  AND (spaceid NE "s")"#);
    insert(&mut matcher, &profile, r#"spaceId ne "s" and id eq "a""#);
    assert_eq!(matcher.stats().plans, 2);
}

/// Parses a text, and checks that memory and allocations are within a small multiple of its length.
///
/// `src/syntax/steps.rs` counts the steps of the parser.
fn bounded(text: &str, limits: Limits) -> Result<Expr, Diagnostic> {
    let mut result = None;
    let used = measure(|| result = Some(Expr::parse_within(text, limits)));
    let limit = 50 * text.len() as u64 + 4096;
    assert!(used.bytes_max <= limit, "{} bytes for {}", used.bytes_max, text.len());
    // A growing buffer is copied to one of double the size each time.
    assert!(used.bytes_total <= 2 * limit, "{} bytes in all for {}", used.bytes_total, text.len());
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

/// The node of a group is inserted before operands that are already parsed, and removed from
/// between others.
#[test]
fn bounds_memory_for_deep_brackets_around_many_terms() {
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

/// Returns the deepest possible filter: brackets up to the limit, alternating `and` and `or`.
fn deepest() -> String {
    let mut text = r#"id eq "x""#.to_owned();
    for depth in 0..Limits::MAX_DEPTH {
        let joint = if depth % 2 == 0 { "or" } else { "and" };
        text = format!(r#"(id ne "y" {joint} {text} {joint} spaceId eq "s")"#);
    }
    text
}

/// Takes a filter through every stage on a stack of 128 KiB.
#[test]
fn handles_the_deepest_filter_on_a_small_stack() {
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

/// Allocations are proportional to the body, for any errors in it.
#[test]
fn allocates_in_proportion_to_hostile_documents() {
    let [few, many] = [5_000, 50_000].map(|many| measure(|| check_hostile_documents(many)));
    assert!(many.count_total <= 11 * few.count_total, "{few:?} {many:?}");
    assert!(many.bytes_total <= 11 * few.bytes_total, "{few:?} {many:?}");
}

fn check_hostile_documents(many: usize) {
    let rules = Rules::default();
    let headers: serde_json::Map<_, _> =
        (0..many).map(|n| (format!("x-{n}"), "v".into())).collect();
    let types: Vec<_> = (0..many).map(|n| format!("{n}{}", "x".repeat(100))).collect();
    let duplicates = format!("{{{}}}", vec!["\"x-a\":\"\""; many].join(","));
    let duplicates =
        serde_json::from_str::<WebhookDocument>(&format!("{{\"headers\":{duplicates}}}")).unwrap();
    let url = format!("https://{}/", "ü".repeat(20 * many));
    for document in [
        WebhookDocument::from(json!({"headers": headers, "encryptedHeaders": headers})),
        WebhookDocument::from(json!({"eventTypes": types})),
        WebhookDocument::from(serde_json::Value::Object(headers)),
        WebhookDocument::from(json!({"url": url, "name": url, "filter": url, "secret": url})),
        WebhookDocument::from(json!({"url": format!("https://a.b/?{}", "|".repeat(20 * many))})),
        duplicates,
    ] {
        assert!(!rules.check(&document).errors().is_empty());
    }
    let operations = vec![json!({"op": "add", "path": "/nmae", "value": ""}); many];
    let document = json!({"name": "n", "url": "https://a.b/"});
    let new = NewWebhook::new("w", "u", std::time::UNIX_EPOCH.into());
    let webhook = Webhook::create(&document.into(), &rules, new).unwrap().webhook;
    let patch = serde_json::Value::Array(operations).into();
    assert!(webhook.patched(&patch, &rules, webhook.updated().clone()).is_err());
    let query = format!("{}{}", "eventTypes=a&".repeat(many), "limit=1&".repeat(many));
    assert!(ListQuery::read(&query).is_err());
}

/// A request allocates only its signature, and an event its payload, plus its conversion if one is
/// needed.
#[test]
fn allocates_only_signatures_for_requests() {
    let rules = Rules::default();
    let count = |secret: bool, cloud_events: bool| {
        let registry = Registry::new(&rules);
        let webhook = |number: usize| {
            let mut document = json!({
                "name": "n", "url": "https://hooks.example.com/", "enabled": true,
                "eventTypes": ["com.qlik.v1.app.created"], "headers": {"X-Team": "data"},
                "enableCloudEventDelivery": cloud_events,
            });
            if secret {
                document["secret"] = "0123456789abcdef0123456789abcdef".into();
            }
            let new = NewWebhook::new(number.to_string(), "u1", std::time::UNIX_EPOCH.into());
            Webhook::create(&WebhookDocument::from(document), &rules, new).unwrap().webhook
        };
        let _ = registry.load("t", (0..100).map(webhook)).unwrap();
        let (mut session, builder) = (registry.session(), RequestBuilder::default());
        let bytes = Bytes::from_static(br#"{"type":"com.qlik.v1.app.created","tenantid":"t"}"#);
        let mut run = || {
            let requests = session.deliveries(&builder, bytes.clone(), Access::EventOwner).unwrap();
            requests.map(|request| request.headers().count()).sum::<usize>()
        };
        assert_eq!(run(), if secret { 400 } else { 300 });
        measure(|| assert!(run() > 0)).count_total
    };
    assert_eq!(count(false, true), 1, "the payload");
    assert_eq!(count(true, true), 1 + 100, "one signature per request");
    let converted = count(false, false);
    assert!(converted <= 20, "one conversion allocates {converted} times");
}
