//! Suggests operations for the body of a PATCH that is not an array of operations.
//!
//! Three mistakes are common: a JSON merge patch (RFC 7396), which has the members themselves; one
//! operation without the array; and an object with the array in it, as in SCIM. All are refused,
//! and the suggestion is the array of operations with the same effect.
//!
//! A merge patch merges objects, but an operation replaces the whole member. The operation for
//! `headers` therefore has the old headers as well, with the changes applied.
//!
//! # Examples
//!
//! For a webhook with the headers `{"x-a": "1"}` and the description `old`:
//!
//! ```text
//! sent                                       suggested
//! {"name": "n"}                              [{"op": "replace", "path": "/name", "value": "n"}]
//! {"description": null}                      [{"op": "remove", "path": "/description"}]
//! {"headers": {"x-b": "2"}}                  [{"op": "replace", "path": "/headers",
//!                                              "value": {"x-a": "1", "x-b": "2"}}]
//! {"op": "add", "path": "/name", …}          the same operation in an array
//! {"Operations": [{"op": "add", …}]}         the array in `Operations`
//! {"id": "w2"}                               none: `id` cannot be patched
//! ```
//!
//! # When no suggestion is made
//!
//! The operations are applied and the result is checked, exactly as if they had been sent. If that
//! finds an error, they are not shown, since sending them would fail again. They are also not shown
//! if they have a value of `secret` or `encryptedHeaders`, since responses are logged.

use super::document::{Json, Member};
use super::kind::{Kind, problem};
use super::patch::{Patch, not_a_list, patchable, path_help};
use crate::diagnostic::{Diagnostic, Found, excerpt, quote};

/// What the author of a refused patch most likely meant.
pub(super) struct Meant {
    problem: Diagnostic,
    /// The operations to suggest; `None` if that is uncertain or impossible.
    pub(super) patch: Option<Patch>,
    /// Whether the operations have a value that is never quoted.
    is_secret: bool,
}

/// Members whose values are never quoted.
const SECRET: [&str; 2] = ["secret", "encryptedHeaders"];

/// Members that are objects. A merge patch changes only the items that it names.
const OBJECTS: [&str; 2] = ["headers", "encryptedHeaders"];

/// The limit of bytes of a patch in a line of text. The suggestion itself is never cut.
const MAX_SHOWN: usize = 300;

impl Meant {
    /// Returns the problem of the patch; with the suggestion, if that leads to a valid webhook.
    pub(super) fn problem(self, is_valid: bool) -> Diagnostic {
        let Self { mut problem, patch, is_secret } = self;
        // Only the suggestion is left out. The problem with its help is reported in any case.
        let Some(Patch(operations)) = patch.filter(|_| is_valid && !is_secret) else {
            return problem;
        };
        let Ok(json) = serde_json::to_string(&operations) else { return problem };
        // The escapes are those of JSON, so it stays the same document.
        let json = excerpt(&json, usize::MAX);
        if json.len() <= MAX_SHOWN {
            problem.set_help(format!("send `{json}`"));
        }
        problem.with_suggestion(Some(json))
    }
}

impl Patch {
    /// Returns what was most likely meant by a patch that is not an array of operations.
    pub(super) fn meant(&self, document: &Json<'_>) -> Option<Meant> {
        match &self.0 {
            Json::Object(_) if is_operation(&self.0) => {
                // An object with `op` and `path` is an operation, regardless of its other members.
                let operations = vec![self.0.clone()];
                let problem = not_a_list(&self.0, "put the operation into an array".to_owned());
                Some(of_operations(operations, problem, true))
            }
            Json::Object(members) if has_members(&self.0) => match wrapped(members) {
                Some((name, operations, is_only_one)) => {
                    let help = format!("send the array in `{}` as the whole body", quote(name));
                    Some(of_operations(operations.to_vec(), not_a_list(&self.0, help), is_only_one))
                }
                None => {
                    let members: Vec<_> = members.iter().collect();
                    Some(of_members(&members, document, |help| not_a_list(&self.0, help)))
                }
            },
            Json::Array(items) if !items.is_empty() && items.iter().all(is_merge) => {
                let all = items.iter().filter_map(|item| match item {
                    Json::Object(members) => Some(members),
                    _ => None,
                });
                let title = "expected operations in the patch, found members of a webhook";
                let problem = |help| problem(Kind::PatchOperation, "/0", title, help);
                // Several objects are read as one, since a duplicate member of two of them is found
                // below.
                let members: Vec<_> = all.flatten().collect();
                Some(of_members(&members, document, problem))
            }
            _ => None,
        }
    }
}

/// Suggests operations that are valid but in the wrong place.
///
/// `is_certain` says that the body has nothing else.
fn of_operations(operations: Vec<Json<'static>>, problem: Diagnostic, is_certain: bool) -> Meant {
    let is_secret = |operation: &Json<'_>| {
        let path = operation.member("path");
        let is_path = |name: &&str| path == Some(&Json::text(format!("/{name}")));
        // Removing a secret shows nothing, so an operation without a value may be shown.
        operation.member("value").is_some() && SECRET.iter().any(is_path)
    };
    let is_secret = operations.iter().any(is_secret);
    let patch = is_certain.then_some(Patch(Json::Array(operations)));
    Meant { problem, patch, is_secret }
}

/// Finds an array of operations in an object, as in SCIM.
///
/// Returns the name of its member, the operations, and whether the object has nothing else.
fn wrapped<'a>(members: &'a [Member<'static>]) -> Option<(&'a str, &'a [Json<'static>], bool)> {
    let is_part = |value: &Json<'_>| matches!(value.member("op"), Some(Json::String(_)));
    let is_named =
        |name: &str| ["operations", "patch"].iter().any(|n| name.eq_ignore_ascii_case(n));
    let mut found = members.iter().filter_map(|(name, value)| match value {
        Json::Array(items) if !items.is_empty() && items.iter().all(is_part) => {
            Some((&**name, &**items))
        }
        Json::Array(items) if is_named(name) => Some((&**name, &**items)),
        _ => None,
    });
    let (name, operations) = found.next()?;
    // SCIM requires `schemas` beside `Operations` (RFC 7644 section 3.5.2), so it is not another
    // member.
    let is_other = |(other, _): &&Member<'_>| &**other != name && &**other != "schemas";
    let is_only_one = found.next().is_none() && members.iter().find(is_other).is_none();
    Some((name, operations, is_only_one))
}

fn is_operation(value: &Json<'_>) -> bool {
    ["op", "path"].iter().all(|name| matches!(value.member(name), Some(Json::String(_))))
}

/// Returns whether a value is an object with a member that can be patched, and none of an
/// operation.
fn is_merge(value: &Json<'_>) -> bool {
    has_members(value) && patchable().any(|name| value.member(name).is_some())
}

/// Returns whether a value is an object with members, and none of an operation.
fn has_members(value: &Json<'_>) -> bool {
    let parts = ["op", "path", "from", "value"];
    // `from` is the member of `move` and `copy` in RFC 6902. A webhook has no member of these
    // names.
    let is_none = parts.iter().all(|part| value.member(part).is_none());
    is_none && matches!(value, Json::Object(members) if !members.is_empty())
}

/// Turns a merge patch into operations on a document.
fn of_members(
    members: &[&Member<'_>],
    document: &Json<'_>,
    problem: impl FnOnce(String) -> Diagnostic,
) -> Meant {
    let is_patchable = |name: &str| patchable().any(|known| known == name);
    if let Some((name, _)) = members.iter().find(|(name, _)| !is_patchable(name)) {
        let why = path_help(&format!("/{name}"), &mut Found::default());
        let help =
            format!("send an array of operations; `{}` cannot be patched: {why}", quote(name));
        return Meant { problem: problem(help), patch: None, is_secret: false };
    }
    // Which of two values of a duplicate member was meant is unknown.
    let mut names: Vec<_> = members.iter().map(|(name, _)| &**name).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair.first() == pair.last()) {
        let name = pair.first().copied().unwrap_or_default();
        let help = format!("send an array of operations; `{name}` is a duplicate member");
        return Meant { problem: problem(help), patch: None, is_secret: false };
    }
    // A member that a merge patch sets to null, and that is absent, needs no operation.
    let operations: Vec<_> =
        members.iter().filter_map(|(name, value)| operation(name, value, document)).collect();
    if operations.is_empty() {
        let help = help_for_nothing(members);
        return Meant { problem: problem(help), patch: None, is_secret: false };
    }
    let paths: Vec<_> = names.iter().map(|name| format!("`/{name}`")).collect();
    let mut help = format!("send an array with an operation for each of {}", paths.join(", "));
    if OBJECTS.iter().any(|name| names.contains(name)) {
        help.push_str("; a value replaces all headers of the member");
    }
    of_operations(operations, problem(help), true)
}

/// Returns the help for a merge patch that changes nothing.
fn help_for_nothing(members: &[&Member<'_>]) -> String {
    let emptied = members.iter().find(|(_, value)| *value != Json::Null);
    let hint = emptied.map(|(name, _)| {
        format!("; to remove all of `{name}`, send an operation `remove` with the path `/{name}`")
    });
    format!("there is nothing to change{}", hint.unwrap_or_default())
}

/// Returns the operation with the effect of a merge patch on a member; `None` if it has none.
fn operation(name: &str, value: &Json<'_>, document: &Json<'_>) -> Option<Json<'static>> {
    let old = document.member(name);
    let value = match (value, old) {
        (Json::Object(changes), _) if OBJECTS.contains(&name) => {
            let merged = merged(old, changes);
            // An empty object changes nothing in a merge patch, and neither does the value that is
            // there.
            if old.unwrap_or(&Json::Object(Vec::new())) == &merged {
                return None;
            }
            merged
        }
        _ => value.clone(),
    };
    let is_removed = match &value {
        Json::Null => true,
        // All headers were set to null: a webhook without headers has no member for them.
        Json::Object(members) => OBJECTS.contains(&name) && members.is_empty(),
        _ => false,
    };
    let op = match (is_removed, old.is_some()) {
        (true, true) => "remove",
        (true, false) => return None,
        (false, true) => "replace",
        (false, false) => "add",
    };
    let mut members =
        vec![("op".into(), Json::text(op)), ("path".into(), Json::text(format!("/{name}")))];
    if !is_removed {
        members.push(("value".into(), value.into_owned()));
    }
    Some(Json::Object(members))
}

/// Applies a merge patch to an object (RFC 7396). Names are compared like those of headers.
fn merged<'a>(old: Option<&Json<'a>>, changes: &[Member<'a>]) -> Json<'a> {
    let mut members = match old {
        Some(Json::Object(members)) => members.clone(),
        _ => Vec::new(),
    };
    for (name, value) in changes {
        let same = members.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name));
        match (same, value) {
            // RFC 7396 section 2: null removes the member.
            (_, Json::Null) => members.retain(|(known, _)| !known.eq_ignore_ascii_case(name)),
            (Some(old), _) => *old = (name.clone(), value.clone()),
            (None, _) => members.push((name.clone(), value.clone())),
        }
    }
    Json::Object(members)
}
