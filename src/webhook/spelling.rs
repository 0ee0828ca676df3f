//! Finds the event type that an unknown name misspells, and the types related to it.
//!
//! # Example
//!
//! ```text
//! known     com.qlik.v1.app.created       domain `com.qlik`, marker `v1`, resource `app.created`
//!
//! app.creatd               the resource, with one wrong letter            a misspelling
//! com.qlik.v1.app.craeted  the whole name, with two letters exchanged     a misspelling
//! App_Created              only case and separators differ                a misspelling
//! com.qlik.v1.app.opened   `opened` is no slip for `created`              none, but related
//! ```
//!
//! Names are compared by segments, since a distance over whole names would let a short segment
//! become another word: `com.qlik.v1.app.x` and `com.qlik.v1.api.x` differ in one letter of
//! seventeen.

use super::EventTypeInfo;
use crate::diagnostic::nearest::{MAX_NAME, bare, slip, unique};

/// What names of the platform may have between the domain and the resource.
const MARKERS: [&str; 2] = ["v1", "core"];

/// Returns the event type that `written` misspells.
///
/// Names are compared segment by segment, with or without the domain and the marker after it.
pub(super) fn nearest_type<'a>(written: &str, types: &'a [EventTypeInfo]) -> Option<&'a str> {
    if written.is_empty() || written.len() > MAX_NAME {
        return None;
    }
    let written = written.to_ascii_lowercase();
    // A type counts once, by the nearer of its two names.
    let figure =
        |known: &EventTypeInfo| names(known).filter_map(|name| wrong(&written, name)).min();
    let at = unique(types.iter().enumerate().filter_map(|(at, known)| Some((figure(known)?, at))))?;
    let known = types.get(at)?;
    // The newer name is returned only if the whole of it, including the prefix, was misspelled.
    let is_whole = |name: &&str| by_segments(&written, &name.to_ascii_lowercase()).is_some();
    Some(names(known).find(is_whole).unwrap_or(known.name()))
}

fn names(known: &EventTypeInfo) -> impl Iterator<Item = &str> {
    std::iter::once(known.name()).chain(known.newer_name())
}

/// Returns the number of wrong letters in a name, if it was most likely meant to be `known`.
fn wrong(written: &str, known: &str) -> Option<usize> {
    let known = known.to_ascii_lowercase();
    let whole = by_segments(written, &known);
    let domain = domain(&known);
    let of_resource = || by_segments(resource(written, domain), resource(&known, domain));
    whole.or_else(of_resource)
}

fn by_segments(written: &str, known: &str) -> Option<usize> {
    if bare(written) == bare(known) {
        return Some(0);
    }
    // A missing segment is no slip of a letter, and pairing the others would compare unrelated
    // words.
    if written.split('.').count() != known.split('.').count() {
        return None;
    }
    let mut wrong = (0, 0);
    for (written, known) in written.split('.').zip(known.split('.')) {
        let letters = slip(written, known)?;
        wrong = (wrong.0 + letters, wrong.1 + usize::from(letters > 0));
    }
    // If more than two segments are wrong, the author has another name in mind.
    (wrong.1 <= 2).then_some(wrong.0)
}

/// Returns the first two segments of a name with more than three, such as `com.qlik`.
fn domain(known: &str) -> &str {
    let mut dots = known.match_indices('.').map(|(at, _)| at);
    // Without a third dot, the first two segments may be the resource itself: `app.created`.
    let end = dots.nth(1).filter(|_| dots.next().is_some());
    end.and_then(|end| known.get(..end)).unwrap_or_default()
}

/// Returns a name without the domain and the marker that may follow it.
fn resource<'t>(name: &'t str, domain: &str) -> &'t str {
    let within = |name: &'t str, part: &str| name.strip_prefix(part)?.strip_prefix('.');
    let name = within(name, domain).unwrap_or(name);
    MARKERS.iter().find_map(|marker| within(name, marker)).unwrap_or(name)
}

/// Returns the known types of the resource in an unknown name, such as all types of apps.
pub(super) fn related<'a>(written: &str, types: &'a [EventTypeInfo]) -> Vec<&'a str> {
    let written = written.to_ascii_lowercase();
    let mut related = Vec::new();
    for name in types.iter().map(EventTypeInfo::name) {
        let lower = name.to_ascii_lowercase();
        let domain = domain(&lower);
        let (ours, theirs) = (resource(&written, domain), resource(&lower, domain));
        let before = |name: &str| name.split_once('.').map(|(first, _)| first.to_owned());
        let is_related = before(ours).is_some() && before(ours) == before(theirs);
        if !domain.is_empty() && is_related {
            related.push(name);
        }
    }
    related
}
