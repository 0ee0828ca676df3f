//! Computes CloudEvents 1.0 a second time, from the tables of `Payload` and the specification, with
//! values that serde_json has read.

use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

/// The attributes of the table: the name in CloudEvents 1.0 and the paths in a legacy event.
const TABLE: [(&str, &[&str]); 12] = [
    ("id", &["id", "eventId", "eventID"]),
    ("source", &["source"]),
    ("type", &["type", "eventType"]),
    ("time", &["time", "eventTime"]),
    ("datacontenttype", &["datacontenttype", "contentType"]),
    ("dataschema", &["dataschema", "schemaURL"]),
    ("eventtypeversion", &["eventtypeversion", "eventTypeVersion"]),
    ("tenantid", &["tenantid", "/tenantId", "/tenantid", "tenantId"]),
    ("userid", &["userid", "/userId", "/userid"]),
    ("ownerid", &["ownerid", "/ownerId", "/ownerid"]),
    ("spaceid", &["spaceid", "/spaceId", "/spaceid"]),
    ("toplevelresourceid", &["toplevelresourceid", "/topLevelResourceId", "/toplevelresourceid"]),
];

const NO_ATTRIBUTES: [&str; 5] =
    ["specversion", "cloudEventsVersion", "extensions", "data", "data_base64"];

/// Returns the members by name; names of `extensions` begin with `/`.
fn members(bytes: &[u8]) -> BTreeMap<String, String> {
    type Raw<'a> = BTreeMap<String, &'a RawValue>;
    let outer: Raw<'_> = serde_json::from_slice(bytes).expect("an object");
    let inner = outer.get("extensions").and_then(|value| serde_json::from_str(value.get()).ok());
    let inner: Raw<'_> = inner.unwrap_or_default();
    let outer = outer.into_iter().filter(|(name, _)| !name.starts_with('/'));
    let inner = inner.into_iter().map(|(name, value)| (format!("/{name}"), value));
    outer.chain(inner).map(|(name, value)| (name, value.get().to_owned())).collect()
}

/// `cloud` is valid and has everything of the legacy event that a CloudEvent can hold.
pub fn converted(legacy: &[u8], cloud: &[u8]) {
    let event = members(legacy);
    let values: BTreeMap<&str, Option<String>> =
        TABLE.iter().map(|(name, places)| (*name, value(&event, places))).collect();
    let held_value = |name: &str| values[name].as_deref().and_then(|value| held(name, value));
    if held_value("type").is_none() {
        assert_eq!(cloud, legacy, "what cannot be a CloudEvent goes out as it came");
        return;
    }
    is_valid(cloud);
    let found = members(cloud);
    let mut expected: BTreeMap<String, Vec<String>> = extensions(&event);
    expected.insert("specversion".into(), vec!["\"1.0\"".into()]);
    for (name, _) in TABLE {
        if let Some(value) = held_value(name) {
            expected.insert(name.into(), vec![value]);
        }
    }
    expected.entry("id".into()).or_insert_with(|| {
        let id = &found["id"];
        let hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        assert!(id.len() == 34 && id[1..33].bytes().all(hexadecimal), "{id} is derived");
        vec![id.clone()]
    });
    expected.insert("source".into(), vec![source(values["source"].as_deref(), &found["source"])]);
    expected.extend(data(&event));
    let names = |names: Vec<&String>| names.into_iter().cloned().collect::<BTreeSet<_>>();
    let (mut left, mut right) = (names(found.keys().collect()), names(expected.keys().collect()));
    let schemas = ["dataschema", "schemaURL", "/dataschema"].iter().filter_map(|it| event.get(*it));
    let mut schemas = schemas.filter_map(|raw| serde_json::from_str::<String>(raw).ok());
    if schemas.any(|schema| is_uri(&schema).is_none()) {
        left.remove("dataschema");
        right.remove("dataschema");
        expected.remove("dataschema");
    }
    assert_eq!(left, right, "the names of a CloudEvent");
    for (name, values) in &expected {
        assert!(values.contains(&found[name]), "{name} is {}, not of {values:?}", found[name]);
    }
}

/// Returns the first string that is not empty; otherwise an empty one, otherwise the first scalar.
fn value(event: &BTreeMap<String, String>, places: &[&str]) -> Option<String> {
    let values: Vec<_> = places.iter().filter_map(|place| event.get(*place)).collect();
    let first = |is: fn(&Value) -> bool| {
        let mut values = values.iter();
        values.find(|value| is(&serde_json::from_str(value).expect("JSON"))).copied().cloned()
    };
    first(|value| value.as_str().is_some_and(|text| !text.is_empty()))
        .or_else(|| first(|value| value.is_string()))
        .or_else(|| first(|value| value.is_boolean() || value.is_number()))
}

/// Returns the possible values of each other attribute.
fn extensions(event: &BTreeMap<String, String>) -> BTreeMap<String, Vec<String>> {
    let mut exact: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut folded: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let is_place = |place: &str| TABLE.iter().any(|(_, places)| places.contains(&place));
    // In reverse, so that outer members come first: `/` sorts before letters and digits.
    for (place, value) in event.iter().rev() {
        let written = place.strip_prefix('/').unwrap_or(place);
        let name = written.to_ascii_lowercase();
        let is_other = !place.starts_with('/') && NO_ATTRIBUTES.contains(&written);
        let is_reserved = NO_ATTRIBUTES.contains(&&*name)
            || TABLE.iter().any(|(cloud, _)| *cloud == name && *cloud != "dataschema");
        if is_place(place) || is_other || is_reserved || !is_name(&name) {
            continue;
        }
        if let Some(value) = held(&name, value) {
            let group = if written == name { &mut exact } else { &mut folded };
            group.entry(name).or_default().push(value);
        }
    }
    for values in exact.values_mut() {
        values.truncate(1);
    }
    folded.into_iter().chain(exact).collect()
}

pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9'))
}

/// Returns the value of an attribute as CloudEvents 1.0 holds it, except for `source`.
pub fn held(name: &str, raw: &str) -> Option<String> {
    let value: Value = serde_json::from_str(raw).expect("JSON");
    let is_of_core = ["id", "source", "type", "time", "datacontenttype", "dataschema", "subject"]
        .contains(&name);
    let is_read = ["tenantid", "ownerid", "spaceid", "toplevelresourceid"].contains(&name);
    match value {
        Value::String(text) if is_of_core => {
            let fits = match name {
                "time" => is_timestamp(&text),
                "datacontenttype" => is_media_type(&text),
                "dataschema" => is_uri(&text) == Some(true),
                _ => true,
            };
            (fits && !text.is_empty() && is_clean(&text)).then(|| raw.to_owned())
        }
        Value::String(text) => is_clean(&text).then(|| raw.to_owned()),
        Value::Bool(_) if !is_of_core => Some(raw.to_owned()),
        Value::Number(number) if !is_of_core => {
            let integer = number.as_i64().filter(|number| i32::try_from(*number).is_ok());
            match integer {
                Some(_) => Some(raw.to_owned()),
                None if is_read => None,
                None => Some(format!("\"{raw}\"")),
            }
        }
        _ => None,
    }
}

/// Returns whether a string of CloudEvents may have all characters of a text.
pub fn is_clean(text: &str) -> bool {
    text.chars().all(|c| match c {
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fdd0}'..='\u{fdef}' => false,
        c => u32::from(c) % 0x1_0000 < 0xFFFE,
    })
}

/// Returns the expected `source`: after decoding, it is the same as that of the event.
fn source(given: Option<&str>, found: &str) -> String {
    let text = |raw: &str| serde_json::from_str::<String>(raw).ok();
    let Some(given) = given.and_then(text).filter(|text| !text.is_empty()) else {
        return "\"unknown\"".to_owned();
    };
    let found_text = text(found).expect("a string");
    assert_eq!(decoded(&found_text), decoded(&given), "a source is kept, but for its encoding");
    let is_plain =
        given.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte));
    if is_plain {
        assert_eq!(found_text, given, "a source that is a reference is kept");
    }
    found.to_owned()
}

fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|code| code.iter().all(u8::is_ascii_hexdigit));
        match code.filter(|_| *first == b'%') {
            Some(code) => {
                let code = std::str::from_utf8(code).expect("ASCII");
                bytes.push(u8::from_str_radix(code, 16).expect("hexadecimal"));
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

/// Returns the payload: one of its two members.
fn data(event: &BTreeMap<String, String>) -> Option<(String, Vec<String>)> {
    let member = |name: &str| event.get(name).map(|value| (name.to_owned(), vec![value.clone()]));
    let has_data = event.get("data").is_some_and(|data| data != "null");
    let has_bytes = event.get("data_base64").is_some_and(|value| is_base64(value));
    match has_bytes && !has_data {
        true => member("data_base64"),
        false => member("data"),
    }
}

/// Returns whether a value is canonical Base64 (RFC 4648 section 4).
fn is_base64(raw: &str) -> bool {
    let Ok(text) = serde_json::from_str::<String>(raw) else { return false };
    let digit = |byte: u8| {
        let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        digits.iter().position(|digit| *digit == byte)
    };
    let digits: Vec<_> = text.trim_end_matches('=').bytes().map(digit).collect();
    let padding = text.len() - digits.len();
    let last = digits.last().copied().flatten().unwrap_or(0);
    text.len().is_multiple_of(4)
        && digits.iter().all(Option::is_some)
        && match padding {
            0 => true,
            1 => last.is_multiple_of(4),
            2 => last.is_multiple_of(16),
            _ => false,
        }
}

/// Checks that bytes are a CloudEvent 1.0.
///
/// The rules are those of the sections "Attribute Naming Convention", "Type System", "REQUIRED
/// Attributes" and "OPTIONAL Attributes", and of section 3.1 of the JSON format. The grammar of
/// URIs is checked by a validator of JSON schemas, in `conversion.rs`.
pub fn is_valid(bytes: &[u8]) {
    let event: BTreeMap<String, Value> = serde_json::from_slice(bytes).expect("an object");
    assert_eq!(event["specversion"], "1.0", "the version");
    let texts = ["id", "source", "type", "time", "datacontenttype", "dataschema", "subject"];
    for (name, value) in &event {
        match &**name {
            "data" => continue,
            "data_base64" => {
                assert!(value.is_string(), "data_base64 is a string");
                assert!(!event.contains_key("data"), "data is there once");
                continue;
            }
            _ => assert!(is_name(name), "{name} is a name of CloudEvents"),
        }
        match value {
            Value::String(text) => {
                assert!(is_clean(text), "{name} has only characters of strings");
                assert!(!text.is_empty() || !texts.contains(&&**name), "{name} is not empty");
            }
            Value::Bool(_) => assert!(!texts.contains(&&**name), "{name} is a string"),
            Value::Number(number) => {
                let integer = number.as_i64().and_then(|number| i32::try_from(number).ok());
                assert!(integer.is_some(), "{name} is an integer of 32 bits");
                assert!(!texts.contains(&&**name), "{name} is a string");
            }
            _ => panic!("{name} is a scalar"),
        }
    }
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    assert!(["id", "source", "type"].iter().all(|name| text(name).is_some()), "what is required");
    assert!(text("time").is_none_or(is_timestamp), "a time of RFC 3339");
    assert!(text("datacontenttype").is_none_or(is_media_type), "a media type");
    assert!(text("dataschema").is_none_or(|text| is_uri(text) != Some(false)), "a URI");
}

/// Checks a time by RFC 3339 section 5.6, by converting the day to a number and back.
pub fn is_timestamp(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let shape = shape.to_ascii_uppercase();
    let Some(rest) = shape.strip_prefix("0000-00-00T00:00:00") else { return false };
    let zone = match rest.strip_prefix('.') {
        Some(fraction) if !fraction.starts_with('0') => return false,
        // The digits of an offset follow its sign, so that a fraction does not take them.
        Some(fraction) => fraction.trim_start_matches('0'),
        None => rest,
    };
    if !["Z", "+00:00", "-00:00"].contains(&zone) {
        return false;
    }
    let number = |range: std::ops::Range<usize>| text[range].parse::<i64>().expect("digits");
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    let (hour, minute, second) = (number(11..13), number(14..16), number(17..19));
    let from = text.len() - zone.len();
    let (sign, hours, minutes) = match zone {
        "Z" => (1, 0, 0),
        _ => {
            let sign = if zone.starts_with('-') { -1 } else { 1 };
            (sign, number(from + 1..from + 3), number(from + 4..from + 6))
        }
    };
    let days = days_from_civil(year, month, day);
    let exists = (1..=12).contains(&month) && civil_from_days(days) == (year, month, day);
    let clock = hour <= 23 && minute <= 59 && second <= 60 && hours <= 23 && minutes <= 59;
    if !exists || !clock {
        return false;
    }
    let utc = days * 1440 + hour * 60 + minute - sign * (hours * 60 + minutes);
    let (_, month, day) = civil_from_days(utc.div_euclid(1440));
    let is_end = utc.rem_euclid(1440) == 1439 && [(6, 30), (12, 31)].contains(&(month, day));
    second < 60 || is_end
}

/// Returns the days since 1970 of a date in the Gregorian calendar (Howard Hinnant's
/// `chrono`-compatible algorithms for dates).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = (month + 2) % 12 + 1;
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// Checks a media type by RFC 2045 section 5.1, by splitting it at semicolons outside quotes.
fn is_media_type(text: &str) -> bool {
    let is_token = |text: &str| {
        let fits = |c: char| c.is_ascii_graphic() && !"()<>@,;:\\\"/[]?=".contains(c);
        !text.is_empty() && text.chars().all(fits)
    };
    let mut parts = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for c in text.chars() {
        if c == ';' && !quoted {
            parts.push(String::new());
            continue;
        }
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && quoted && !escaped;
        parts.last_mut().expect("a part").push(c);
    }
    let is_value = |value: &str| {
        let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        // Any character may be escaped; a quote that is not escaped ends the value.
        inner.is_some_and(|inner| {
            let plain = inner.replace("\\\\", "").replace("\\\"", "");
            inner.is_ascii() && !plain.contains('"') && !plain.ends_with('\\')
        }) || is_token(value)
    };
    let last = parts.len() - 1;
    text.is_ascii()
        && !quoted
        && parts.iter().enumerate().all(|(at, part)| {
            // Blanks may surround semicolons, but not the text.
            let part = if at > 0 { part.trim_start_matches(' ') } else { part };
            let part = if at < last { part.trim_end_matches(' ') } else { part };
            match at {
                0 => part.split_once('/').is_some_and(|(a, b)| is_token(a) && is_token(b)),
                _ => part.split_once('=').is_some_and(|(a, b)| is_token(a) && is_value(b)),
            }
        })
}

/// Returns whether a text is an absolute URI without a fragment (RFC 3986 section 4.3).
///
/// Returns `None` if that is not simple to decide. Those texts are checked by a validator of JSON
/// schemas, in `conversion.rs`.
pub fn is_uri(text: &str) -> Option<bool> {
    let fits = |c: char| c.is_ascii_graphic() && !"\"<>\\^`{|}#".contains(c);
    let (scheme, rest) = text.split_once(':').unwrap_or(("", ""));
    let has_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let is_simple = |c: char| c.is_ascii_alphanumeric() || "-._~/?&=".contains(c);
    match has_scheme && text.chars().all(fits) {
        false => Some(false),
        true if rest.chars().all(is_simple) => Some(true),
        true => None,
    }
}
