use super::json::{RawStr, Walk};
use super::layout::{ENVELOPE, Edge};
use super::{Error, ErrorKind, Event, Layout};
use smallvec::SmallVec;
use std::borrow::Cow;

/// The best string found so far for each field, with its rank.
type Found<'a> = SmallVec<[Option<(usize, RawStr<'a>)>; 8]>;

pub(super) fn read<'a>(layout: &'a Layout, bytes: &'a [u8]) -> Result<Event<'a>, Error> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Error::new(ErrorKind::Utf8, error.valid_up_to(), "bytes are not UTF-8"))?;
    let mut walk = Walk::new(text);
    walk.skip_spaces();
    let begin = walk.offset();
    if walk.peek().is_some_and(|byte| byte != b'{') {
        walk.skip_value()?;
        walk.finish()?;
        return Err(Error::new(ErrorKind::NotAnObject, begin, "event is not an object"));
    }
    let fields = ENVELOPE.len() + layout.attributes().len();
    let mut reader = Reader {
        layout,
        walk,
        seen: [0; SEEN],
        doubled: None,
        found: smallvec::smallvec![None; fields],
    };
    reader.object(0)?;
    reader.walk.finish()?;
    // Bytes that are no JSON say so first, whatever else is wrong with them.
    if let Some(error) = reader.doubled {
        return Err(error);
    }

    let mut values =
        reader.found.into_iter().map(|found| found.map(|(_, raw)| raw.value()).transpose());
    let mut next = || values.next().unwrap_or(Ok(None));
    let required = |value: Option<Cow<'a, str>>, kind, message: &str| match value {
        Some(value) if !value.is_empty() => Ok(value),
        _ => Err(Error::new(kind, bytes.len(), message)),
    };
    let event_type = required(next()?, ErrorKind::MissingType, "event has no type")?;
    let tenant = required(next()?, ErrorKind::MissingTenant, "event has no tenant")?;
    let not_empty = |value: &Cow<'_, str>| !value.is_empty();
    let id = next()?.filter(not_empty);
    let owner = next()?.filter(not_empty);
    let attributes = values.collect::<Result<_, _>>()?;
    Ok(Event { layout, tenant, event_type, id, owner, attributes })
}

/// Words of the set of keys seen: a bit for each of `Layout::MAX_KEYS`.
const SEEN: usize = Layout::MAX_KEYS / 64;

struct Reader<'a> {
    layout: &'a Layout,
    walk: Walk<'a>,
    seen: [u64; SEEN],
    /// The first key that stands twice.
    doubled: Option<Error>,
    found: Found<'a>,
}

impl<'a> Reader<'a> {
    /// Reads the object at `node` of the layout. Recursion is bounded by the layout's depth.
    fn object(&mut self, node: usize) -> Result<(), Error> {
        self.walk.enter_object()?;
        let mut first = true;
        while let Some(key) = self.walk.next_key(&mut first)? {
            let Some(edge) = self.layout.edge(node, &key.value()?) else {
                self.walk.skip_value()?;
                continue;
            };
            self.once(edge, key)?;
            match (self.walk.peek(), edge.object) {
                (Some(b'"'), _) => {
                    let value = self.walk.string()?;
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

    fn once(&mut self, edge: &Edge, key: RawStr<'_>) -> Result<(), Error> {
        let bit = 1u64 << (edge.number % 64);
        if let Some(seen) = self.seen.get_mut(edge.number / 64) {
            if *seen & bit != 0 && self.doubled.is_none() {
                let message = format!("key `{}` stands twice in its object", key.value()?);
                self.doubled = Some(Error::new(ErrorKind::DuplicateKey, key.offset, message));
            }
            *seen |= bit;
        }
        Ok(())
    }

    /// The lowest rank wins, but any string wins over an empty one.
    fn offer(&mut self, field: usize, rank: usize, value: RawStr<'a>) {
        if let Some(best) = self.found.get_mut(field) {
            let better = match best {
                None => true,
                Some((other, held)) => (value.is_empty(), rank) < (held.is_empty(), *other),
            };
            if better {
                *best = Some((rank, value));
            }
        }
    }
}
