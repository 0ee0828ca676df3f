//! Hints: facts about an event that explain why a term of a filter fails.
use hooksieve::event::{Event, EventType, JsonPath, TenantId};
use hooksieve::filter::{HintKind, Profile};
use serde_json::json;

/// Returns the hints of a filter on an event with these members: step, kind, pointer and message.
fn hints(filter: &str, members: &str) -> Vec<(usize, HintKind, Option<String>, String)> {
    let profile = Profile::webhook();
    let filter = profile.filter(filter).unwrap();
    let event = format!(
        r#"{{"type":"x","tenantid":"t"{}{members}}}"#,
        if members.is_empty() { "" } else { "," }
    );
    let event = profile.read_event(event.as_bytes()).unwrap();
    let explanation = filter.explain(&event);
    let part = |hint: &hooksieve::filter::Hint<'_>| {
        let place = hint.place.as_ref().map(JsonPath::pointer);
        (hint.step, hint.kind, place, hint.message.clone())
    };
    explanation.hints().iter().map(part).collect()
}

/// Returns kind, pointer and message of the only hint.
fn hint(filter: &str, members: &str) -> (HintKind, Option<String>, String) {
    let hints = hints(filter, members);
    let [(_, kind, place, message)] = &hints[..] else {
        panic!("{filter} on {members}: {hints:?}")
    };
    (*kind, place.clone(), message.clone())
}

#[test]
fn explains_why_an_attribute_is_absent() {
    for (members, kind, place, message) in [
        (
            r#""data":"{\"id\":\"a1\"}""#,
            HintKind::JsonInString,
            "/data",
            "`data` is a string that holds JSON",
        ),
        (
            r#""data":" [1] ""#,
            HintKind::JsonInString,
            "/data",
            "`data` is a string that holds JSON",
        ),
        (r#""data":"{id}""#, HintKind::NotAnObject, "/data", "`data` is a string:"),
        (r#""data":[{"id":"other"}]"#, HintKind::NotAnObject, "/data", "`data` is an array:"),
        (r#""data":5"#, HintKind::NotAnObject, "/data", "`data` is a number:"),
        (
            r#""data":{"id":5}"#,
            HintKind::NotAString,
            "/data/id",
            "`data.id` is a number: only strings",
        ),
        (
            r#""data":{"id":{"id":"x"}}"#,
            HintKind::NotAString,
            "/data/id",
            "`data.id` is an object:",
        ),
        (
            r#""data":{"attributes":"{}"}"#,
            HintKind::JsonInString,
            "/data/attributes",
            "`data.attributes` is a string",
        ),
        (
            r#""data_base64":"e30=""#,
            HintKind::Base64,
            "/data_base64",
            "the event's data is in `data_base64`",
        ),
        (
            r#""data":null,"data_base64":"e30=""#,
            HintKind::Base64,
            "/data_base64",
            "the event's data is in",
        ),
        ("", HintKind::NoData, "/data", "the event has no `data`"),
        (r#""data":null"#, HintKind::Null, "/data", "`data` is null"),
        (r#""data":{"id":null}"#, HintKind::Null, "/data/id", "`data.id` is null"),
        (
            r#""data":{"attributes":null}"#,
            HintKind::Null,
            "/data/attributes",
            "`data.attributes` is null",
        ),
        // A number is a better explanation than null.
        (
            r#""data":{"id":null,"attributes":{"id":5}}"#,
            HintKind::NotAString,
            "/data/attributes/id",
            "`data.attributes.id` is a number",
        ),
    ] {
        // A null explains no `ne` term, since `ne` holds on an absent attribute.
        let is_plain = matches!(kind, HintKind::Null | HintKind::NoData);
        let filters = [r#"id eq "a1""#, r#"id ne "a1""#];
        for filter in &filters[..if is_plain { 1 } else { 2 }] {
            let (found, at, text) = hint(filter, members);
            assert_eq!((found, at.as_deref()), (kind, Some(place)), "{members}");
            assert!(text.starts_with(message), "{members}: {text}");
        }
    }
    for members in [r#""data":{}"#, r#""data":{},"data_base64":"e30=""#] {
        assert_eq!(hints(r#"id eq "a1""#, members), [], "{members}");
    }
    // An attribute with a path outside of `data` may be absent for other reasons.
    assert_eq!(hints(r#"topLevelResourceId eq "a1""#, ""), []);
    assert_eq!(hints(r#"spaceId eq "a1""#, ""), []);
    assert_eq!(hint(r#"spaceId eq "a1""#, r#""spaceid":null"#).0, HintKind::Null);
    // The hint is on the failed term.
    let [(step, kind, ..)] = &hints(r#"id ne "x" and id eq "a1""#, "")[..] else { panic!() };
    assert_eq!((*step, *kind), (2, HintKind::NoData));
    // An attribute that is read from another path is not absent.
    let both = r#""data":{"id":null,"attributes":{"id":"a1"}}"#;
    assert_eq!(hints(r#"id eq "a1""#, both), []);
    // `spaceId` has paths outside of `data` too, but is absent from all of them.
    let (kind, ..) = hint(r#"spaceId eq "s""#, r#""data":"{\"spaceId\":\"s\"}""#);
    assert_eq!(kind, HintKind::JsonInString);
    // One fact is one hint, however many attributes it explains.
    let filter = r#"id eq "a" and spaceId eq "b""#;
    assert_eq!(hints(filter, r#""data":"{}""#).len(), 1);
}

#[test]
fn finds_the_value_of_a_term_elsewhere() {
    for (filter, members, kind, place, message) in [
        (
            r#"id eq "a1""#,
            r#""toplevelresourceid":"a1""#,
            HintKind::OtherAttribute,
            "/toplevelresourceid",
            r#""a1" is the value of `topLevelResourceId` in this event"#,
        ),
        (
            r#"topLevelResourceId eq "a\"1""#,
            r#""x":"a\"1","data":{"attributes":{"id":"a\"1"}}"#,
            HintKind::OtherAttribute,
            "/data/attributes/id",
            r#""a\"1" is the value of `id` in this event"#,
        ),
        (
            r#"id eq "a1""#,
            r#""data":{"id":"b","appIds":["c","a1"]}"#,
            HintKind::OtherPlace,
            "/data/appIds/1",
            r#""a1" is at `data.appIds.1`, which no attribute reads"#,
        ),
        (
            r#"id eq "a1""#,
            r#""id":"a1""#,
            HintKind::OtherPlace,
            "/id",
            r#""a1" is the event's own id, which no attribute reads"#,
        ),
        (
            r#"id eq "a1""#,
            r#""data":{"dataTask":{"id":"a1"},"id":"b"}"#,
            HintKind::OtherPlace,
            "/data/dataTask/id",
            r#""a1" is at `data.dataTask.id`, but `id` is read from `data.id`, which comes first"#,
        ),
    ] {
        let expected = (kind, Some(place.to_owned()), message.to_owned());
        assert_eq!(hint(filter, members), expected, "{filter} on {members}");
    }
}

#[test]
fn reports_a_value_that_is_nearly_equal() {
    for (found, kind, message) in [
        ("AB-c", HintKind::LetterCase, "`id` differs from \"ab-C\" only in letter case"),
        (
            " ab-C\\t",
            HintKind::WhiteSpace,
            "`id` differs from \"ab-C\" only in leading or trailing white space",
        ),
        (
            "ab-c ",
            HintKind::WhiteSpace,
            "`id` differs from \"ab-C\" only in outer white space and letter case",
        ),
    ] {
        let (hinted, place, text) =
            hint(r#"id eq "ab-C""#, &format!(r#""data":{{"id":"{found}"}}"#));
        assert_eq!((hinted, place), (kind, None), "{found}");
        assert!(text.starts_with(message), "{text}");
    }
    assert_eq!(hints(r#"id eq "ab-C""#, r#""data":{"id":"ab-D"}"#), []);
}

/// Values are searched for only if the verdict may depend on them.
#[test]
fn gives_no_hints_for_terms_that_do_not_matter() {
    let top = r#""toplevelresourceid":"a1","spaceid":"s""#;
    assert_eq!(hints(r#"id eq "a1" or topLevelResourceId eq "a1""#, top), [], "the filter matches");
    let inner = r#"(id eq "a1" or topLevelResourceId eq "a1") and spaceId eq "q""#;
    assert_eq!(hints(inner, top), [], "the group holds");
    let both = r#"(id eq "a1" or topLevelResourceId eq "b") and spaceId eq "a1""#;
    let steps: Vec<_> = hints(both, top).into_iter().map(|(step, ..)| step).collect();
    assert_eq!(steps, [2], "one fact is one hint");
    assert_eq!(hints(r#"id ne "a1" and spaceId ne "s""#, top), [], "`ne` requires no value");
    // An allowed value of a list is a common word: another member with it explains nothing.
    let status = Profile::webhook();
    let types = ["com.qlik.v1.app.reload.finished".into()];
    let filter = status.filter_for(r#"data.status eq "error""#, &types).unwrap();
    let event =
        status.read_event(br#"{"type":"x","tenantid":"t","data":{"level":"error"}}"#).unwrap();
    assert_eq!(filter.explain(&event).hints(), []);
}

#[test]
fn gives_no_hints_for_an_event_made_from_parts() {
    let profile = Profile::webhook();
    let filter = profile.filter(r#"id eq "a1""#).unwrap();
    let event = Event::new(profile.attribute_paths(), TenantId::from("t"), EventType::from("x"));
    let event = event.with_attribute("spaceId", "a1").unwrap();
    assert_eq!(filter.explain(&event).hints(), []);
}

#[test]
fn serializes_hints_with_the_explanation() {
    let profile = Profile::webhook();
    let filter = profile.filter(r#"id eq "a1""#).unwrap();
    let event = br#"{"type":"x","tenantid":"t","toplevelresourceid":"a1"}"#;
    let event = profile.read_event(event).unwrap();
    let json = serde_json::to_value(filter.explain(&event)).unwrap();
    let expected = json!([{
        "step": 0, "kind": "other-attribute", "attribute": "topLevelResourceId",
        "place": "/toplevelresourceid",
        "message": "\"a1\" is the value of `topLevelResourceId` in this event",
    }]);
    assert_eq!(json["hints"], expected);
    let event = profile.read_event(br#"{"type":"x","tenantid":"t","data":{}}"#).unwrap();
    let json = serde_json::to_value(filter.explain(&event)).unwrap();
    assert_eq!(json.get("hints"), None);
}
