use super::json::{Place, Walk};
use super::layout::{ENVELOPE, Edge};
use super::marks::{Bits, Marks};
use super::{Error, ErrorKind, Event, Layout};
use smallvec::SmallVec;
use std::borrow::Cow;

/// The best string found so far for each field, with its rank.
type Found = SmallVec<[(Place, u32); 8]>;

pub(super) fn read<'a>(layout: &'a Layout, bytes: &'a [u8]) -> Result<Event<'a>, Error> {
    let text = simdutf8::compat::from_utf8(bytes)
        .map_err(|error| Error::new(ErrorKind::Utf8, error.valid_up_to(), "bytes are not UTF-8"))?;
    read_by(layout, text, &mut Bits::new(bytes))
}

fn read_by<'a, M: Marks>(
    layout: &'a Layout,
    text: &'a str,
    marks: &mut M,
) -> Result<Event<'a>, Error> {
    let mut walk = Walk::new(text, marks);
    walk.skip_spaces();
    let begin = walk.offset();
    if walk.peek().is_some_and(|byte| byte != b'{') {
        walk.skip_value()?;
        walk.finish()?;
        return Err(Error::new(ErrorKind::NotAnObject, begin, "event is not an object"));
    }
    let fields = ENVELOPE.len() + layout.attributes().len();
    let mut found: Found = smallvec::smallvec![(Place::default(), 0); fields];
    let (walk_here, found_here) = (&mut walk, &mut *found);
    let (seen, doubled) = ([0; SEEN], None);
    let mut reader = Reader { layout, walk: walk_here, seen, doubled, found: found_here };
    reader.object(0)?;
    let doubled = reader.doubled;
    walk.finish()?;
    // Bytes that are no JSON say so first, whatever else is wrong with them.
    if let Some(error) = doubled {
        return Err(error);
    }

    let mut places = found.iter().map(|(place, _)| *place);
    let mut next = || match places.next() {
        Some(place) if place.to != 0 => walk.value(place).map(Some),
        _ => Ok(None),
    };
    let required = |value: Option<Cow<'a, str>>, kind, message: &str| match value {
        Some(value) if !value.is_empty() => Ok(value),
        _ => Err(Error::new(kind, text.len(), message)),
    };
    let event_type = required(next()?, ErrorKind::MissingType, "event has no type")?;
    let tenant = required(next()?, ErrorKind::MissingTenant, "event has no tenant")?;
    let not_empty = |value: &Cow<'_, str>| !value.is_empty();
    let id = next()?.filter(not_empty);
    let owner = next()?.filter(not_empty);
    let mut attributes = SmallVec::new();
    for _ in layout.attributes() {
        attributes.push(next()?);
    }
    Ok(Event { layout, tenant, event_type, id, owner, attributes })
}

/// Words of the set of keys seen: a bit for each of `Layout::MAX_KEYS`.
const SEEN: usize = Layout::MAX_KEYS / 64;

struct Reader<'a, 'm, 'r, M> {
    layout: &'a Layout,
    walk: &'r mut Walk<'a, 'm, M>,
    seen: [u64; SEEN],
    /// The first key that stands twice.
    doubled: Option<Error>,
    found: &'r mut [(Place, u32)],
}

impl<M: Marks> Reader<'_, '_, '_, M> {
    /// Reads the object at `node` of the layout. Recursion is bounded by the layout's depth.
    fn object(&mut self, node: usize) -> Result<(), Error> {
        self.walk.enter_object()?;
        let mut first = true;
        while let Some(end) = self.walk.next_key(&mut first)? {
            let key = self.walk.last(end);
            let edge = match key.escaped {
                false => self.layout.edge(node, self.walk.written(key)),
                true => self.layout.edge(node, self.walk.value(key)?.as_bytes()),
            };
            let Some(edge) = edge else {
                self.walk.skip_value()?;
                continue;
            };
            self.once(edge, key)?;
            match (self.walk.peek(), edge.object) {
                (Some(b'"'), _) => {
                    let end = self.walk.string()?;
                    let value = self.walk.last(end);
                    for (field, rank) in &edge.fields {
                        self.offer(*field, *rank, value);
                    }
                }
                (Some(b'{'), Some(inner)) => self.object(inner)?,
                _ => self.walk.skip_value()?,
            }
        }
        Ok(())
    }

    fn once(&mut self, edge: &Edge, key: Place) -> Result<(), Error> {
        let bit = 1u64 << (edge.number % 64);
        if let Some(seen) = self.seen.get_mut(edge.number / 64) {
            if *seen & bit != 0 && self.doubled.is_none() {
                let message = format!("key `{}` stands twice in its object", self.walk.value(key)?);
                let error = Error::new(ErrorKind::DuplicateKey, key.from - 1, message);
                self.doubled = Some(error);
            }
            *seen |= bit;
        }
        Ok(())
    }

    /// The lowest rank wins, but any string wins over an empty one.
    #[inline]
    fn offer(&mut self, field: usize, rank: u32, value: Place) {
        if let Some((held, other)) = self.found.get_mut(field)
            && (held.to == 0 || (value.is_empty(), rank) < (held.is_empty(), *other))
        {
            (*held, *other) = (value, rank);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{read, read_by};
    use crate::event::marks::Plain;
    use crate::event::{Layout, Place};

    /// The plain search for marks is the oracle of the fast one: over damaged events of any length
    /// both read the same or fail at the same byte.
    #[test]
    fn plain_and_fast_marks_read_the_same() {
        let places = vec![Place::new(["data", "id"]), Place::new(["data", "attributes", "id"])];
        let layout = &Layout::new([("id", places)]).unwrap();
        let escaped = r#"{"t\u0079pe":"a\"b\\","tenantid":"é\ud83d\ude00","data":{"id":"","x":[1e5,-0,"\n"]}}"#;
        let long = format!(
            r#"{{"type":"x","pad":"{}","tenantid":"t","data":{{"id":"{}\n"}}}}"#,
            "a\\\\b".repeat(500),
            "é".repeat(700)
        );
        let plain =
            include_str!("../../tests/data/events/com.qlik.v1.app.reload.finished.ce10.json");
        let mut state = 1u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % below
        };
        let (mut good, mut bad) = (0, 0);
        for document in [escaped, &long, plain] {
            for _ in 0..4000 {
                let mut bytes = document.as_bytes().to_vec();
                for _ in 0..random(3) {
                    let at = random(bytes.len());
                    match random(3) {
                        0 => bytes[at] = b"\"\\{}[]:,0aue \n\x01\x7f\xc3"[random(17)],
                        1 => drop(bytes.remove(at)),
                        _ => bytes.truncate(at + 1),
                    }
                }
                let Ok(text) = std::str::from_utf8(&bytes) else { continue };
                let fast = format!("{:?}", read(layout, &bytes));
                let slow = format!("{:?}", read_by(layout, text, &mut Plain(&bytes)));
                assert_eq!(fast, slow, "{text}");
                *if fast.starts_with("Ok") { &mut good } else { &mut bad } += 1;
            }
        }
        assert!(good > 1000 && bad > 1000, "{good} good, {bad} bad");
    }
}
