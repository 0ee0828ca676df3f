//! What was meant by the body of a PATCH that is not an array of operations.
//!
//! Three mistakes are common: the members themselves, as in a JSON merge patch (RFC 7396); one
//! operation without the array; and the array in an object, as in SCIM. All are refused, with the
//! operations that do it as a suggestion.
//!
//! A merge patch merges objects, while an operation replaces the whole member. So the operation for
//! `headers` has the old headers, too, with the changes made.

use super::document::Json;
use super::kind::{Kind, problem};
use super::patch::{Patch, not_a_list, patchable, path_help};
use crate::diagnostic::{Diagnostic, Found, excerpt, quote};

/// What was likely meant by a patch that is refused.
pub(super) struct Meant {
    problem: Diagnostic,
    /// The operations that do it; none where that is not certain or not possible.
    pub(super) patch: Option<Patch>,
    /// Whether they hold what is never quoted.
    is_secret: bool,
}

/// Members whose values are never quoted.
const SECRET: [&str; 2] = ["secret", "encryptedHeaders"];

/// Members that are objects, of which a merge patch changes what it names.
const OBJECTS: [&str; 2] = ["headers", "encryptedHeaders"];

/// Max bytes of a patch in a line of text; the suggestion itself is whole.
const MAX_SHOWN: usize = 300;

impl Meant {
    /// The problem of the patch, with its suggestion if that leads to a valid webhook.
    pub(super) fn problem(self, is_valid: bool) -> Diagnostic {
        let Self { mut problem, patch, is_secret } = self;
        let Some(Patch(operations)) = patch.filter(|_| is_valid && !is_secret) else {
            return problem;
        };
        let Ok(json) = serde_json::to_string(&operations) else { return problem };
        // Escapes as in JSON, so that it stays the same document.
        let json = excerpt(&json, usize::MAX);
        if json.len() <= MAX_SHOWN {
            problem.set_help(format!("send `{json}`"));
        }
        problem.with_suggestion(Some(json))
    }
}

impl Patch {
    /// What was likely meant, if the patch has members or operations where an array belongs.
    pub(super) fn meant(&self, document: &Json) -> Option<Meant> {
        match &self.0 {
            Json::Object(_) if is_operation(&self.0) => {
                let operations = vec![self.0.clone()];
                let problem = not_a_list(&self.0, "put the operation into an array".to_owned());
                Some(of_operations(operations, problem, true))
            }
            Json::Object(members) if has_members(&self.0) => match wrapped(members) {
                Some((name, operations, is_alone)) => {
                    let help = format!("send the array in `{}` as the whole body", quote(name));
                    Some(of_operations(operations.to_vec(), not_a_list(&self.0, help), is_alone))
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
                let title = "the patch has members where operations belong";
                let problem = |help| problem(Kind::PatchOperation, "/0", title, help);
                let members: Vec<_> = all.flatten().collect();
                Some(of_members(&members, document, problem))
            }
            _ => None,
        }
    }
}

/// Operations that are all right but for where they are; `is_certain` if nothing else was sent.
fn of_operations(operations: Vec<Json>, problem: Diagnostic, is_certain: bool) -> Meant {
    let is_secret = |operation: &Json| {
        let path = operation.member("path");
        let is_path = |name: &&str| path == Some(&Json::text(format!("/{name}")));
        operation.member("value").is_some() && SECRET.iter().any(is_path)
    };
    let is_secret = operations.iter().any(is_secret);
    let patch = is_certain.then_some(Patch(Json::Array(operations)));
    Meant { problem, patch, is_secret }
}

/// The array of operations in an object, as SCIM and others send it, with the name of its member,
/// and whether the object has nothing else to say.
fn wrapped(members: &[Member]) -> Option<(&str, &[Json], bool)> {
    let is_part = |value: &Json| matches!(value.member("op"), Some(Json::String(_)));
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
    let is_other = |(other, _): &&Member| &**other != name && &**other != "schemas";
    let is_alone = found.next().is_none() && members.iter().find(is_other).is_none();
    Some((name, operations, is_alone))
}

fn is_operation(value: &Json) -> bool {
    ["op", "path"].iter().all(|name| matches!(value.member(name), Some(Json::String(_))))
}

/// Whether a value is an object that has a member that can be patched, and none of an operation.
fn is_merge(value: &Json) -> bool {
    has_members(value) && patchable().any(|name| value.member(name).is_some())
}

/// Whether a value is an object that has members, and none of an operation.
fn has_members(value: &Json) -> bool {
    let parts = ["op", "path", "from", "value"];
    let is_none = parts.iter().all(|part| value.member(part).is_none());
    is_none && matches!(value, Json::Object(members) if !members.is_empty())
}

type Member = (Box<str>, Json);

/// A merge patch as operations on a document.
fn of_members(
    members: &[&Member],
    document: &Json,
    problem: impl FnOnce(String) -> Diagnostic,
) -> Meant {
    let is_patchable = |name: &str| patchable().any(|known| known == name);
    if let Some((name, _)) = members.iter().find(|(name, _)| !is_patchable(name)) {
        let why = path_help(&format!("/{name}"), &mut Found::default());
        let help =
            format!("send an array of operations; `{}` cannot be patched: {why}", quote(name));
        return Meant { problem: problem(help), patch: None, is_secret: false };
    }
    let mut names: Vec<_> = members.iter().map(|(name, _)| &**name).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair.first() == pair.last()) {
        let name = twice.first().copied().unwrap_or_default();
        let help = format!("send an array of operations; `{name}` is a duplicate member");
        return Meant { problem: problem(help), patch: None, is_secret: false };
    }
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

/// What to do where a merge patch changes nothing.
fn help_for_nothing(members: &[&Member]) -> String {
    let emptied = members.iter().find(|(_, value)| *value != Json::Null);
    let hint = emptied.map(|(name, _)| {
        format!("; to remove all of `{name}`, send an operation `remove` with the path `/{name}`")
    });
    format!("there is nothing to change{}", hint.unwrap_or_default())
}

/// The operation that sets a member to what a merge patch makes of it, if there is one to make.
fn operation(name: &str, value: &Json, document: &Json) -> Option<Json> {
    let old = document.member(name);
    let value = match (value, old) {
        (Json::Object(changes), _) if OBJECTS.contains(&name) => {
            let merged = merged(old, changes);
            if old.unwrap_or(&Json::Object(Vec::new())) == &merged {
                return None;
            }
            merged
        }
        _ => value.clone(),
    };
    let is_removed = match &value {
        Json::Null => true,
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
        members.push(("value".into(), value));
    }
    Some(Json::Object(members))
}

/// An object after a merge patch (RFC 7396), with names compared as those of headers are.
fn merged(old: Option<&Json>, changes: &[Member]) -> Json {
    let mut members = match old {
        Some(Json::Object(members)) => members.clone(),
        _ => Vec::new(),
    };
    for (name, value) in changes {
        let same = members.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name));
        match (same, value) {
            (_, Json::Null) => members.retain(|(known, _)| !known.eq_ignore_ascii_case(name)),
            (Some(old), _) => *old = (name.clone(), value.clone()),
            (None, _) => members.push((name.clone(), value.clone())),
        }
    }
    Json::Object(members)
}
