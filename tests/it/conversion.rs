//! Conversions between the envelopes, compared with the published JSON schema of CloudEvents 1.0.
use crate::laws;

use boon::{Compiler, SchemaIndex, Schemas};
use hooksieve::delivery::Payload;
use hooksieve::event::Envelope;
use hooksieve::filter::Profile;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::cell::Cell;
use std::sync::LazyLock;

static PROFILE: LazyLock<Profile> = LazyLock::new(Profile::webhook);

/// The schema of the specification, release 1.0.2 (cloudevents/formats/cloudevents.json).
static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let text = std::fs::read("tests/data/schemas/cloudevents-1.0.2.json").unwrap();
    validator(&serde_json::from_slice(&text).unwrap())
});

/// A compiled schema. Formats such as `date-time` are asserted as well.
struct Validator {
    schemas: Schemas,
    schema: SchemaIndex,
}

impl Validator {
    fn is_valid(&self, value: &Value) -> bool {
        self.schemas.validate(value, self.schema).is_ok()
    }
}

fn validator(schema: &Value) -> Validator {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.enable_format_assertions();
    compiler.enable_content_assertions();
    compiler.add_resource("schema.json", schema.clone()).unwrap();
    let schema = compiler.compile("schema.json", &mut schemas).unwrap();
    Validator { schemas, schema }
}

fn format(name: &str) -> Validator {
    validator(&json!({"$schema": "http://json-schema.org/draft-07/schema#", "format": name}))
}

fn payload(bytes: &[u8]) -> Payload {
    Payload::new(&PROFILE.read_event(bytes).unwrap(), bytes.to_vec())
}

/// Converts a legacy event to CloudEvents 1.0, and checks it by the law and the schema.
#[track_caller]
fn cloud(text: &str) -> Value {
    assert!(laws::delivery::conversion(text.as_bytes()));
    let cloud =
        serde_json::from_slice(payload(text.as_bytes()).body(Envelope::CloudEvents)).unwrap();
    fits_the_schema(&cloud);
    cloud
}

#[track_caller]
fn fits_the_schema(cloud: &Value) {
    if let Err(error) = SCHEMA.schemas.validate(cloud, SCHEMA.schema) {
        panic!("{error}: {cloud}");
    }
}

/// Returns the attribute that a member of the outermost object becomes.
#[track_caller]
fn outer(name: &str, value: &str, attribute: &str) -> Option<Value> {
    let event = format!(
        r#"{{"eventType":"x","{name}":{value},"extensions":{{"tenantId":"t"}},"data":{{"id":"a"}}}}"#
    );
    cloud(&event).get(attribute).cloned()
}

/// Returns the attribute that members of `extensions` become.
#[track_caller]
fn extension(members: &str, attribute: &str) -> Option<Value> {
    let event = format!(r#"{{"eventType":"x","extensions":{{"tenantId":"t",{members}}}}}"#);
    cloud(&event).get(attribute).cloned()
}

/// Compares an event in another envelope with the expected JSON.
#[track_caller]
fn converts(event: Value, form: Envelope, converted: Value) {
    let bytes = event.to_string();
    let read = PROFILE.read_event(bytes.as_bytes()).unwrap();
    let payload = payload(bytes.as_bytes());
    let body = match form {
        Envelope::Legacy => payload.body(Envelope::Legacy),
        _ => payload.body(Envelope::CloudEvents),
    };
    assert_ne!(read.envelope(), form, "there is something to convert");
    assert_eq!(serde_json::from_slice::<Value>(body).unwrap(), converted);
    assert!(laws::delivery::conversion(bytes.as_bytes()));
}

#[test]
fn drops_what_the_other_envelope_cannot_hold() {
    converts(
        json!({
            "eventType": "x", "source": "s", "eventID": "e1", "host": "h", "odd-name": 1, "eventTime": "",
            "contentType": 7,
            "extensions": {
                "tenantId": "t", "spaceId": "", "spaceid": "s1", "actorName": "a", "count": 3,
                "flag": true, "actor": {"id": "u"}, "updates": [], "none": null, "a_b": "x",
                "time": "not the event's", "data": "not the event's", "é": 1,
            },
            "data": {"id": "a1"},
        }),
        Envelope::CloudEvents,
        json!({
            "specversion": "1.0", "id": "e1", "source": "s", "type": "x", "tenantid": "t",
            "spaceid": "s1", "host": "h", "actorname": "a", "count": 3, "flag": true,
            "data": {"id": "a1"},
        }),
    );
    converts(
        json!({
            "specversion": "1.0.2", "type": "x", "id": "e1", "tenantid": "t", "userid": null,
            "reason": "r", "ownerId": "means something else there", "traceparent": "00",
            "extensions": {"actor": {"id": "u"}, "reason": "less", "time": "not the event's"},
            "data_base64": "AA==",
        }),
        Envelope::Legacy,
        json!({
            "cloudEventsVersion": "0.1", "eventId": "e1", "eventType": "x",
            "extensions": {
                "tenantId": "t", "reason": "r", "traceparent": "00", "actor": {"id": "u"},
                "time": "not the event's",
            },
            "data_base64": "AA==",
        }),
    );
}

#[test]
fn derives_required_attributes() {
    let cloud = |text: &str| -> Value {
        serde_json::from_slice(payload(text.as_bytes()).body(Envelope::CloudEvents)).unwrap()
    };
    let one = cloud(r#"{"eventType":"x","extensions":{"tenantId":"t"}}"#);
    // The first half of the digest, computed with Python's hashlib.
    assert_eq!(one["id"], "10e131470a49e2f5eca741b9aaaaf1ea");
    assert_eq!(one["source"], "unknown");
    assert_ne!(one["id"], cloud(r#"{"eventType":"x","extensions":{"tenantId":"u"}}"#)["id"]);
    let empty =
        cloud(r#"{"eventType":"x","eventId":"","source":"","extensions":{"tenantId":"t"}}"#);
    assert_eq!(empty["source"], "unknown");
    assert_eq!(empty["id"].as_str().unwrap().len(), 32);
}

/// Numbers, escapes, order and blanks inside `data` stay as written.
#[test]
fn copies_data_as_written() {
    let data = r#"{ "b":1.0e2,"a" : 12345678901234567890123,"a":"é\/" ,"a":2}"#;
    let text = format!(r#"{{"eventType":"x","extensions":{{"tenantId":"t"}},"data":{data}}}"#);
    let payload = payload(text.as_bytes());
    let body = std::str::from_utf8(payload.body(Envelope::CloudEvents)).unwrap();
    assert!(body.ends_with(&format!(r#""data":{data}}}"#)), "{body}");
}

#[test]
fn converts_sample_payloads() {
    let mut events = 0;
    for entry in std::fs::read_dir("tests/data/events").unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        events += usize::from(laws::delivery::conversion(&bytes));
    }
    assert_eq!(events, 10);
}

#[test]
fn uses_the_published_schema() {
    let valid = json!({"specversion": "1.0", "id": "1", "source": "s", "type": "t"});
    assert!(SCHEMA.is_valid(&valid));
    for (name, value) in [
        ("id", json!("")),
        ("source", json!("a b")),
        ("source", json!("1:a")),
        ("type", json!(null)),
        ("time", json!("yesterday")),
        ("dataschema", json!("x")),
        ("subject", json!("")),
        ("data_base64", json!({})),
        ("data_base64", json!("=")),
    ] {
        let mut event = valid.clone();
        event[name] = value;
        assert!(!SCHEMA.is_valid(&event), "{event}");
    }
}

#[test]
fn drops_times_outside_rfc_3339() {
    for time in ["2018-04-05T17:31:00Z", "2016-12-31T23:59:60Z", "2024-02-29t00:00:00.5+05:30"] {
        assert_eq!(outer("eventTime", &format!("\"{time}\""), "time"), Some(json!(time)));
    }
    for time in [
        "\"\"",
        "\"yesterday\"",
        "\"2018-04-05 17:31:00Z\"",
        "\"2018-02-29T00:00:00Z\"",
        "\"2018-04-05T17:31:60Z\"",
        "\"2018-04-05T17:31:00\"",
        "1522949460",
        "null",
        "{}",
    ] {
        assert_eq!(outer("eventTime", time, "time"), None, "{time}");
    }
}

#[test]
fn drops_strings_with_forbidden_characters() {
    for value in [
        r#""a\u0000""#,
        r#""a\nb""#,
        "\"\u{7f}\"",
        "\"\u{85}\"",
        "\"\u{fdd0}\"",
        r#""\udbff\udfff""#,
    ] {
        assert_eq!(extension(&format!(r#""note":{value}"#), "note"), None, "{value}");
        assert_eq!(outer("subject", value, "subject"), None, "{value}");
        assert_eq!(extension(&format!(r#""spaceId":{value}"#), "spaceid"), None, "{value}");
        let id = outer("eventId", value, "id").unwrap();
        assert_eq!(id.as_str().unwrap().len(), 32, "{value}: derived");
    }
    let kept = "é\u{a0}\u{200b}\u{202e}\u{fffd}😀\\\"/";
    let members = format!(r#""note":{}"#, json!(kept));
    assert_eq!(extension(&members, "note"), Some(json!(kept)));
}

/// Such events match no webhook: nothing can subscribe to such a type, and no tenant is like that.
#[test]
fn sends_an_event_with_a_forbidden_type_unchanged() {
    let event = br#"{"eventType":"x\u0000","extensions":{"tenantId":"t"}}"#;
    assert!(laws::delivery::conversion(event));
    assert_eq!(payload(event).body(Envelope::CloudEvents), &event[..]);
    let tenant = cloud(r#"{"eventType":"x","extensions":{"tenantId":"t\u0000"}}"#);
    assert_eq!(tenant.get("tenantid"), None);
}

#[test]
fn writes_other_numbers_than_32_bit_integers_as_strings() {
    for number in ["0", "-2147483648", "2147483647"] {
        let found = extension(&format!(r#""count":{number}"#), "count").unwrap();
        assert_eq!(found, number.parse::<i32>().unwrap());
    }
    for number in
        ["2147483648", "-2147483649", "1.5", "1.0", "1e2", "-0", "123456789012345678901234567890"]
    {
        assert_eq!(extension(&format!(r#""count":{number}"#), "count"), Some(json!(number)));
        assert_eq!(outer("eventTypeVersion", number, "eventtypeversion"), Some(json!(number)));
        assert_eq!(extension(&format!(r#""ownerId":{number}"#), "ownerid"), None, "no owner");
    }
}

#[test]
fn percent_encodes_sources() {
    for (source, expected) in [
        ("com.qlik/my app", "com.qlik/my%20app"),
        ("https://a.example/ä?q#f", "https://a.example/%C3%A4?q#f"),
        ("reload: done", "reload:%20done"),
        ("2 apps: done", "2%20apps%3A%20done"),
        ("100%", "100%25"),
        ("a\tb\u{ffff}", "a%09b%EF%BF%BF"),
        ("\"[x]\"", "%22%5Bx%5D%22"),
        ("urn:x:y", "urn:x:y"),
        ("https://[::1]:8080/a?b#c", "https://[::1]:8080/a?b#c"),
    ] {
        assert_eq!(outer("source", &json!(source).to_string(), "source"), Some(json!(expected)));
    }
    for none in ["\"\"", "7", "null", "{}"] {
        assert_eq!(outer("source", none, "source"), Some(json!("unknown")), "{none}");
    }
}

#[test]
fn converts_a_schema_url() {
    let kept = "https://a.example/schema";
    assert_eq!(outer("schemaURL", &json!(kept).to_string(), "dataschema"), Some(json!(kept)));
    let members = format!(r#""dataschema":"{kept}""#);
    assert_eq!(extension(&members, "dataschema"), Some(json!(kept)));
    for other in ["\"\"", "\"/schema\"", "\"a b:c\"", "\"https://a.example/#f\"", "7", "null"] {
        assert_eq!(outer("schemaURL", other, "dataschema"), None, "{other}");
    }
    let event = format!(r#"{{"type":"x","tenantid":"t","dataschema":"{kept}"}}"#);
    let legacy: Value =
        serde_json::from_slice(payload(event.as_bytes()).body(Envelope::Legacy)).unwrap();
    assert_eq!(legacy["schemaURL"], kept);
}

#[test]
fn drops_invalid_content_types_and_subjects() {
    for (value, kept) in [
        ("\"application/json\"", true),
        ("\"text/plain; charset=utf-8\"", true),
        ("\"json\"", false),
        ("\"text/plain;\"", false),
        ("\"\"", false),
        ("7", false),
    ] {
        assert_eq!(outer("contentType", value, "datacontenttype").is_some(), kept, "{value}");
    }
    assert_eq!(outer("subject", "\"s\"", "subject"), Some(json!("s")));
    for value in ["\"\"", "7", "true", "null"] {
        assert_eq!(outer("subject", value, "subject"), None, "{value}");
    }
}

#[test]
fn accepts_data_base64_only_without_data() {
    let base64 = |members: &str| {
        let event = format!(r#"{{"eventType":"x","extensions":{{"tenantId":"t"}},{members}}}"#);
        let cloud = cloud(&event);
        (cloud.get("data").cloned(), cloud.get("data_base64").cloned())
    };
    assert_eq!(base64(r#""data_base64":"AA==""#), (None, Some(json!("AA=="))));
    assert_eq!(base64(r#""data":null,"data_base64":"AA==""#), (None, Some(json!("AA=="))));
    assert_eq!(base64(r#""data":{},"data_base64":"AA==""#), (Some(json!({})), None));
    for value in ["7", "null", "{}", "[\"AA==\"]", "\"AA\"", "\"v\""] {
        let members = format!(r#""data":null,"data_base64":{value}"#);
        assert_eq!(base64(&members), (Some(json!(null)), None), "{value}");
    }
}

#[test]
fn prefers_an_exact_name_over_one_in_another_case() {
    assert_eq!(extension(r#""Host":"a","host":"b""#, "host"), Some(json!("b")));
    assert_eq!(extension(r#""host":"b","HOST":"a""#, "host"), Some(json!("b")));
    assert_eq!(extension(r#""Host":"a","host":{}"#, "host"), Some(json!("a")), "none to hold");
    assert_eq!(extension(r#""HOST":"a","Host":"b""#, "host"), Some(json!("a")), "the first");
    let event = r#"{"eventType":"x","Host":"a","extensions":{"tenantId":"t","host":"b"}}"#;
    assert_eq!(cloud(event)["host"], "b");
    let long = "a".repeat(40);
    assert_eq!(extension(&format!(r#""{long}":1"#), &long), Some(json!(1)), "a long name");
    for name in ["a_b", "a-b", "", "é", "a b", "Time", "SPECVERSION", "dataSchema2"] {
        let found = extension(&format!(r#""{name}":true"#), &name.to_ascii_lowercase());
        assert_eq!(found.is_some_and(|found| found == true), name == "dataSchema2", "{name}");
    }
}

/// Names in the outermost object, and in `extensions`.
const OUTER: &[&str] = &[
    "id",
    "eventId",
    "eventID",
    "type",
    "eventType",
    "time",
    "eventTime",
    "datacontenttype",
    "contentType",
    "eventTypeVersion",
    "eventtypeversion",
    "tenantid",
    "tenantId",
    "userid",
    "ownerid",
    "ownerId",
    "spaceid",
    "toplevelresourceid",
    "source",
    "data",
    "data_base64",
    "specversion",
    "cloudEventsVersion",
    "host",
    "Host",
    "odd-name",
    "",
    r"t\u0079pe",
];

const INNER: &[&str] = &[
    "tenantId",
    "tenantid",
    "userId",
    "userid",
    "ownerId",
    "ownerid",
    "spaceId",
    "spaceid",
    "topLevelResourceId",
    "toplevelresourceid",
    "id",
    "type",
    "time",
    "data",
    "specversion",
    "host",
    "Host",
    "actor",
    "a_b",
    "extensions",
    "eventTypeVersion",
    "ownerID",
];

/// Choices made from bytes, which proptest generates and shrinks faster than nested strategies.
struct Choices<'b>(std::slice::Iter<'b, u8>);

impl Choices<'_> {
    fn byte(&mut self) -> usize {
        self.0.next().map_or(0, |byte| usize::from(*byte))
    }

    fn below(&mut self, end: usize) -> usize {
        (self.byte() << 8 | self.byte()) % end
    }

    fn one_of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// A JSON value that an attribute may or may not be able to hold.
    fn value(&mut self) -> String {
        match self.below(10) {
            0..4 => json!(self.text()).to_string(),
            4..6 => self.number(),
            6..8 => self.one_of(VALUES).to_owned(),
            8 => json!(self.time()).to_string(),
            _ => json!(self.uri()).to_string(),
        }
    }

    fn text(&mut self) -> String {
        let odd = ['\0', '\n', '\u{7f}', '\u{9f}', '\u{fdd0}', '\u{10ffff}', '\u{200b}'];
        let signs = ['"', '\\', '/', ' ', 'é', '😀', '%', ':', '#', '['];
        let chars = (0..self.below(8)).map(|_| match self.below(20) {
            0 => self.one_of(&odd),
            1 => self.one_of(&signs),
            2 => char::from_u32(self.below(0x1_1000) as u32 * 16).unwrap_or('z'),
            n => char::from(b'a' + n as u8),
        });
        chars.collect()
    }

    fn number(&mut self) -> String {
        let sign = self.one_of(&["", "-"]);
        let near = [0u64, 1, 2_147_483_647, 2_147_483_648, 2_147_483_649, 9_999_999_999];
        let number = self.one_of(&near);
        let rest = self.one_of(&["", "", "", "", ".0", ".5", "e2", "E-2", "0000000000000"]);
        if number == 0 && rest.starts_with('0') {
            sign.to_owned() + "0"
        } else {
            format!("{sign}{number}{rest}")
        }
    }

    /// A date and time, or something similar.
    fn time(&mut self) -> String {
        if self.below(20) == 0 {
            return self.one_of(LEAP_SECONDS).to_owned();
        }
        let odd = self.below(6);
        let year = self.one_of(&[0, 1900, 2000, 2023, 2024, 9999]);
        let (month, day) = (1 + self.below(12), 1 + self.below(if odd == 1 { 32 } else { 28 }));
        let month = if odd == 2 { self.one_of(&[0, 2, 13]) } else { month };
        let day = if odd == 3 { self.one_of(&[0, 29, 30, 31]) } else { day };
        let (hour, minute) = (self.below(if odd == 4 { 26 } else { 24 }), self.below(60));
        let second = if odd == 5 { self.one_of(&[60, 61]) } else { self.below(60) };
        let t = self.one_of(&["T", "T", "T", "T", "T", "t", " ", ""]);
        let fraction = self.one_of(&["", "", "", ".5", ".000000000001", ".", ",5"]);
        let zones = ["Z", "Z", "z", "+00:00", "-00:00", "+05:30", "-23:59", "+24:00", "", "+0100"];
        let zone = self.one_of(&zones);
        format!("{year:04}-{month:02}-{day:02}{t}{hour:02}:{minute:02}:{second:02}{fraction}{zone}")
    }

    /// A URI reference, or something similar.
    fn uri(&mut self) -> String {
        if self.below(4) == 0 {
            let alphabet: Vec<char> = "aZ09:/?#[]@!$&'()*+,;=%-._~ Fé\"\u{7f}".chars().collect();
            return (0..self.below(24)).map(|_| self.one_of(&alphabet)).collect();
        }
        URI_PARTS.iter().map(|parts| self.one_of(parts)).collect()
    }

    /// An object without duplicates, with hostile members before and after the given ones.
    fn object(&mut self, mut given: Vec<(&'static str, String)>, names: &[&'static str]) -> String {
        for _ in 0..self.below(8) {
            let (name, value) = (self.one_of(names), self.value());
            if given.iter().all(|(other, _)| *other != name) {
                let at = self.one_of(&[0, given.len()]);
                given.insert(at, (name, value));
            }
        }
        let members: Vec<_> =
            given.iter().map(|(name, value)| format!(r#""{name}":{value}"#)).collect();
        format!("{{{}}}", members.join(","))
    }

    /// An event in the legacy or the mixed envelope, with hostile members.
    fn event(&mut self) -> String {
        let tenant = if self.below(20) == 0 { self.value() } else { r#""t""#.to_owned() };
        let kinds = [r#""x""#, r#""x""#, r#""x""#, r#""é.\"x\"""#];
        let kind = if self.below(40) == 0 { r#""x\u0001""# } else { self.one_of(&kinds) };
        let inner = self.object(vec![("tenantId", tenant)], INNER);
        let mut given = vec![("eventType", kind.to_owned()), ("extensions", inner)];
        if self.below(20) == 0 {
            given.push(("type", kind.to_owned()));
        }
        self.object(given, OUTER)
    }
}

const VALUES: &[&str] = &[
    "true",
    "false",
    "null",
    "{}",
    "[1]",
    r#"{"id":"x","spaceId":"y"}"#,
    r#""""#,
    r#""AA==""#,
    r#""application/json""#,
    r#""text/plain;q=\"1\"""#,
    r#""\u0041\ud83d\ude00""#,
];

const LEAP_SECONDS: &[&str] = &[
    "1990-12-31T23:59:60Z",
    "1990-12-31T15:59:60-08:00",
    "2016-07-01T05:29:60+05:30",
    "2016-12-31T22:59:60Z",
];

const URI_PARTS: [&[&str]; 7] = [
    &["", "http:", "http:", "urn:", "a+b-c.d:", "1a:", ":", "A:"],
    &["", "//", "///", "/", "./", "u@", "//u:p@", "//a@b@"],
    &[
        "",
        "host",
        "host",
        "a.b",
        "127.0.0.1",
        "[::1]",
        "[v1.x]",
        "[1::2::3]",
        "[",
        "h%2F",
        "h%zz",
        "é",
    ],
    &["", "", "", ":", ":80", ":8a", "::"],
    &["", "/", "/c", "/a/b", "a:b/c", "//x", "/%20", "/%", "/a b", "/[x]", "/\u{0}"],
    &["", "?", "?q=1&r", "?a?b/c", "?%zz", "?é"],
    &["", "", "", "", "#", "#f", "#a/b?c", "#a#b", "#%41"],
];

fn bytes(len: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), len)
}

fn runner(cases: u32) -> TestRunner {
    let config = ProptestConfig { cases, failure_persistence: None, ..Default::default() };
    TestRunner::new(config)
}

/// Checks at least 10,000 converted events by the law of conversions and by the schema.
#[test]
fn converts_legacy_events_to_valid_cloud_events() {
    let (converted, mixed, kept, refused) =
        <(Cell<u32>, Cell<u32>, Cell<u32>, Cell<u32>)>::default();
    let count = |cell: &Cell<u32>| cell.set(cell.get() + 1);
    let law = |bytes: Vec<u8>| {
        let text = Choices(bytes.iter()).event();
        let bytes = text.as_bytes();
        if !laws::delivery::conversion(bytes) {
            count(&refused);
            return Ok(());
        }
        let read = PROFILE.read_event(bytes).unwrap();
        let payload = payload(bytes);
        match read.envelope() {
            Envelope::Mixed => count(&mixed),
            _ if payload.body(Envelope::CloudEvents) == bytes => count(&kept),
            _ => {
                count(&converted);
                fits_the_schema(
                    &serde_json::from_slice(payload.body(Envelope::CloudEvents)).unwrap(),
                );
            }
        }
        Ok(())
    };
    runner(14_500).run(&bytes(300), law).unwrap();
    let counts = [&converted, &mixed, &kept, &refused].map(Cell::get);
    println!("converted, mixed, of a type that cannot be converted, no event: {counts:?}");
    assert!(counts[0] >= 10_000 && counts[1] > 500 && counts[2] > 100, "{counts:?}");
}

/// Exactly the values that the validator accepts are kept.
#[test]
fn agrees_with_a_validator_on_times_and_uris() {
    let (date_time, uri_format, reference) =
        (format("date-time"), format("uri"), format("uri-reference"));
    let found = Cell::new([0; 6]);
    let count = |at: usize| {
        let mut counts = found.get();
        counts[at] += 1;
        found.set(counts);
    };
    runner(10_000)
        .run(&bytes(80), |bytes| {
            let mut choices = Choices(bytes.iter());
            let (time, uri) = (choices.time(), choices.uri());
            let event = json!({
                "eventType": "x", "eventTime": time, "schemaURL": uri, "source": uri,
                "extensions": {"tenantId": "t"},
            });
            let cloud = cloud(&event.to_string());
            let valid = date_time.is_valid(&json!(time));
            // The validator accepts leap seconds on any day.
            if !time.contains(":60") {
                prop_assert_eq!(cloud.get("time").is_some(), valid, "{}", time);
            }
            let is_uri = uri_format.is_valid(&json!(uri)) && !uri.contains('#');
            prop_assert_eq!(cloud.get("dataschema").is_some(), is_uri, "{}", uri);
            let is_reference = reference.is_valid(&json!(uri)) && !uri.is_empty();
            if is_reference {
                prop_assert_eq!(&cloud["source"], &uri);
            }
            prop_assert!(!cloud["source"].as_str().unwrap().is_empty());
            [valid, is_uri, is_reference].iter().enumerate().for_each(|(at, valid)| {
                count(2 * at + usize::from(*valid));
            });
            Ok(())
        })
        .unwrap();
    println!("invalid and valid times, URIs, URI references: {:?}", found.get());
    assert!(found.get().iter().all(|count| *count > 200), "{:?}", found.get());
}

/// Members with any names and values, in the outermost object and in `extensions`.
fn members(names: &'static [&'static str]) -> impl Strategy<Value = String> {
    let value = prop::sample::select(vec![
        r#""v""#,
        r#""""#,
        "null",
        "1",
        "true",
        r#"{"id":"x","spaceId":"y"}"#,
        "[1]",
        r#""é
""#,
        "1e2",
        r#""\u0001""#,
        "12345678901",
    ]);
    let member = (prop::sample::select(names), value);
    prop::collection::vec(member, 0..8).prop_map(|members| {
        let members: Vec<_> =
            members.iter().map(|(name, value)| format!(r#""{name}":{value}"#)).collect();
        members.join(",")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn converts_any_members_by_the_law(outer in members(OUTER), inner in members(INNER), form in 0..3) {
        let given = match form {
            0 => r#""type":"x","tenantid":"t""#,
            1 => r#""eventType":"x","tenantid":"t""#,
            _ => r#""eventType":"x""#,
        };
        let tenant = if form == 2 { r#""tenantId":"t""# } else { r#""x":1"# };
        for text in [
            format!(r#"{{{given},{outer},"extensions":{{{tenant},{inner}}}}}"#).replace(",,", ","),
            format!(r#"{{{outer},{given},"extensions":{{{inner},{tenant}}}}}"#).replace(",,", ","),
        ] {
            laws::delivery::conversion(text.replace(",}", "}").replace("{,", "{").as_bytes());
        }
    }
}
