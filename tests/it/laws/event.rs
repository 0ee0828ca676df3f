//! Laws of event bytes, with serde_json as the reference.

use hooksieve::event::{ErrorKind, Event, ShapeCache};
use hooksieve::filter::Profile;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::fmt;
use std::sync::LazyLock;

static PROFILE: LazyLock<Profile> = LazyLock::new(Profile::webhook);

/// Reading with shapes has the same result as without, regardless of what was read before.
///
/// Returns whether an event was read.
pub fn same_by_shapes(shapes: &mut ShapeCache, bytes: &[u8]) -> bool {
    let expected = PROFILE.read_event(bytes);
    let read = PROFILE.read_event_with(bytes, shapes);
    match (&read, &expected) {
        (Ok(read), Ok(expected)) => {
            let parts = |event: &Event<'_>| {
                let parts = [Some(event.event_type()), Some(event.tenant())];
                let [event_type, tenant] = parts.map(|part| part.map(str::to_owned));
                let attributes =
                    ATTRIBUTES.map(|(name, _)| event.attribute(name).map(String::from));
                let own = [event.id(), event.owner()].map(|part| part.map(str::to_owned));
                (event_type, tenant, own, attributes)
            };
            assert_eq!(parts(read), parts(expected));
        }
        (Err(read), Err(expected)) => assert_eq!(read, expected),
        _ => panic!("{read:?} by shapes, {expected:?} without"),
    }
    read.is_ok()
}

/// Returns a cache with the shape of a document, if it is an event, which will try some more.
pub fn familiar(document: &[u8]) -> ShapeCache {
    let mut shapes = ShapeCache::default();
    for _ in 0..50 {
        same_by_shapes(&mut shapes, document);
    }
    shapes
}

/// Documents separated by a byte that JSON never has are read the same with shapes as without.
///
/// Each is read more than once, since its shape is used only for the next document.
pub fn event_sequence(bytes: &[u8]) {
    let mut shapes = ShapeCache::default();
    for document in bytes.split(|byte| *byte == 0x1e) {
        same_by_shapes(&mut shapes, document);
        same_by_shapes(&mut shapes, document);
    }
}

/// The reader accepts what `serde_json::Value` accepts, except duplicate keys, and finds the same
/// strings. Returns whether an event was read.
pub fn event_bytes(bytes: &[u8]) -> bool {
    let read = PROFILE.read_event(bytes);
    if let Err(error) = &read {
        assert!(error.offset() <= bytes.len(), "an error lies in the input");
        let missing = matches!(error.kind(), ErrorKind::MissingType | ErrorKind::MissingTenant);
        assert_eq!(error.to_string().contains("at byte"), !missing, "an error says where");
    }
    let value = match serde_json::from_slice::<Value>(bytes) {
        Ok(value) => value,
        Err(refusal) => {
            let error = read.expect_err(&format!("refused, as serde_json does: {refusal}"));
            assert!(
                error.kind().is_malformed(),
                "malformed, as serde_json says: {refusal}, not {error}"
            );
            return false;
        }
    };
    match &read {
        Ok(event) => {
            assert!(!has_duplicate(bytes), "duplicate keys are refused");
            same_strings(event, &value);
        }
        Err(error) => match error.kind() {
            ErrorKind::NotAnObject => {
                assert!(!value.is_object(), "an object is not refused as none")
            }
            ErrorKind::DuplicateKey => {
                assert!(has_duplicate(bytes), "only duplicate keys are refused: {error}")
            }
            ErrorKind::MissingType => assert_eq!(first(&value, TYPE).unwrap_or_default(), ""),
            ErrorKind::MissingTenant => assert_eq!(first(&value, TENANT).unwrap_or_default(), ""),
            kind => panic!("{kind:?} at {}, but serde_json accepts it", error.offset()),
        },
    }
    read.is_ok()
}

type Places = &'static [&'static str];
const TYPE: Places = &["/type", "/eventType"];
const TENANT: Places = &["/tenantid", "/extensions/tenantId", "/extensions/tenantid", "/tenantId"];
const EVENT_ID: Places = &["/id", "/eventId", "/eventID"];
const OWNER: Places = &["/ownerid", "/extensions/ownerId", "/extensions/ownerid"];
const ATTRIBUTES: [(&str, Places); 4] = [
    ("id", &["/data/id", "/data/attributes/id", "/data/dataTask/id"]),
    (
        "spaceId",
        &[
            "/spaceid",
            "/extensions/spaceId",
            "/extensions/spaceid",
            "/data/spaceId",
            "/data/attributes/spaceId",
            "/data/dataTask/spaceId",
        ],
    ),
    (
        "topLevelResourceId",
        &[
            "/toplevelresourceid",
            "/extensions/topLevelResourceId",
            "/extensions/toplevelresourceid",
        ],
    ),
    ("data.status", &["/data/status"]),
];

/// Returns the first string at these paths that is not empty; otherwise an empty one.
fn first(value: &Value, places: Places) -> Option<&str> {
    let strings = || {
        places
            .iter()
            .filter(|place| objects_only(value, place))
            .filter_map(|place| value.pointer(place)?.as_str())
    };
    strings().find(|string| !string.is_empty()).or_else(|| strings().next())
}

/// A JSON pointer may go through an array by an index. Our paths go only through objects.
fn objects_only(value: &Value, place: &str) -> bool {
    let mut at = value;
    for key in place.split('/').skip(1) {
        match at.as_object().and_then(|object| object.get(key)) {
            Some(next) => at = next,
            None => return false,
        }
    }
    true
}

fn same_strings(event: &Event<'_>, value: &Value) {
    let filled = |places| first(value, places).filter(|string| !string.is_empty());
    assert_eq!(Some(event.event_type()), filled(TYPE), "type");
    assert_eq!(Some(event.tenant()), filled(TENANT), "tenant");
    assert_eq!(event.id(), filled(EVENT_ID), "the event's own id");
    assert_eq!(event.owner(), filled(OWNER), "owner");
    let found = event.places();
    for (name, places) in ATTRIBUTES {
        assert_eq!(event.attribute(name), first(value, places), "{name}");
        let mut names = event.attribute_paths().attributes().iter();
        let at = names.position(|known| **known == *name).expect("the paths has the attribute");
        let place = found[at].as_ref().map(|place| place.pointer());
        assert_eq!(place.as_deref(), first_place(value, places), "place of {name}");
    }
}

/// Returns the path of the first string that is not empty; otherwise that of the first empty one.
fn first_place(value: &Value, places: Places) -> Option<&'static str> {
    let strings = || {
        let string = |place: &&'static str| {
            let text = value.pointer(place).filter(|_| objects_only(value, place))?.as_str()?;
            Some((*place, text))
        };
        places.iter().filter_map(string)
    };
    let full = strings().find(|(_, text)| !text.is_empty());
    full.or_else(|| strings().next()).map(|(place, _)| place)
}

/// A document that keeps duplicate keys.
enum Document {
    Object(Vec<(String, Document)>),
    Other,
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keep;
        impl<'de> Visitor<'de> for Keep {
            type Value = Document;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Document, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Document::Object(members))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Document, A::Error> {
                while seq.next_element::<Document>()?.is_some() {}
                Ok(Document::Other)
            }
            fn visit_bool<E>(self, _: bool) -> Result<Document, E> {
                Ok(Document::Other)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Document, E> {
                Ok(Document::Other)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Document, E> {
                Ok(Document::Other)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Document, E> {
                Ok(Document::Other)
            }
            fn visit_str<E>(self, _: &str) -> Result<Document, E> {
                Ok(Document::Other)
            }
            fn visit_unit<E>(self) -> Result<Document, E> {
                Ok(Document::Other)
            }
        }
        deserializer.deserialize_any(Keep)
    }
}

/// Returns whether a key that is read is a duplicate in its object.
fn has_duplicate(bytes: &[u8]) -> bool {
    let Ok(document) = serde_json::from_slice::<Document>(bytes) else {
        return false;
    };
    let mut places: Vec<&str> = [TYPE, TENANT, EVENT_ID, OWNER].concat();
    places.extend(ATTRIBUTES.iter().flat_map(|(_, places)| places.iter()));
    let mut keys: Vec<Vec<&str>> = Vec::new();
    for place in places {
        let path: Vec<&str> = place.split('/').skip(1).collect();
        keys.extend((1..=path.len()).map(|length| path[..length].to_vec()));
    }
    keys.sort_unstable();
    keys.dedup();
    keys.iter().any(|path| has_duplicate_at(&document, path))
}

fn has_duplicate_at(document: &Document, path: &[&str]) -> bool {
    let (Document::Object(members), [key, rest @ ..]) = (document, path) else {
        return false;
    };
    let mut values = members.iter().filter(|(name, _)| name == key).map(|(_, value)| value);
    if rest.is_empty() {
        return values.nth(1).is_some();
    }
    values.any(|value| has_duplicate_at(value, rest))
}
