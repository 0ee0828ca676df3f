//! What was meant by the body of a PATCH that is not an array of operations.
//!
//! Two mistakes are common: the members themselves, as in a JSON merge patch (RFC 7396), and one
//! operation without the array. Both are refused, with the operations that do it as a suggestion.

use super::draft::Json;
use super::patch::{Patch, not_a_list, patchable, path_help};
use super::problem::Found;
use super::{Problem, ProblemKind};
use crate::syntax::{excerpt, quote};

/// What was likely meant by a patch that is refused.
pub(super) struct Meant {
    problem: Problem,
    /// The operations that do it; none where a member cannot be patched.
    pub(super) patch: Option<Patch>,
    /// Whether they hold what is never quoted.
    is_secret: bool,
}

/// Members whose values are never quoted.
const SECRET: [&str; 2] = ["secret", "encryptedHeaders"];

/// Most bytes of a patch in a line of text; the suggestion itself is whole.
const MAX_SHOWN: usize = 300;

impl Meant {
    /// The problem of the patch, with its suggestion if that leads to a valid webhook.
    pub(super) fn problem(self, is_valid: bool) -> Problem {
        let Self { mut problem, patch, is_secret } = self;
        let Some(Patch(operations)) = patch.filter(|_| is_valid && !is_secret) else {
            return problem;
        };
        let Ok(json) = serde_json::to_string(&operations) else { return problem };
        // Escapes as in JSON, so that it stays the same document.
        let json = excerpt(&json, usize::MAX);
        if json.len() <= MAX_SHOWN {
            problem.set_detail(&format!("send `{json}`"));
        }
        problem.suggesting(Some(json))
    }
}

impl Patch {
    /// What was likely meant, if the patch has members or one operation in place of an array.
    pub(super) fn meant(&self, document: &Json) -> Option<Meant> {
        match &self.0 {
            Json::Object(_) if is_operation(&self.0) => {
                let operations = Json::Array(vec![self.0.clone()]);
                let path = self.0.member("path");
                let is_path = |name: &&str| path == Some(&Json::text(format!("/{name}")));
                Some(Meant {
                    problem: not_a_list(&self.0, "put the operation into an array".to_owned()),
                    patch: Some(Self(operations)),
                    is_secret: SECRET.iter().any(is_path),
                })
            }
            Json::Object(members) if has_members(&self.0) => {
                let members: Vec<_> = members.iter().collect();
                Some(of_members(&members, document, |help| not_a_list(&self.0, help)))
            }
            Json::Array(items) if !items.is_empty() && items.iter().all(is_merge) => {
                let all = items.iter().filter_map(|item| match item {
                    Json::Object(members) => Some(members),
                    _ => None,
                });
                let title = "the patch has members where operations belong";
                let problem = |help| Problem::new(ProblemKind::PatchOperation, "/0", title, help);
                let members: Vec<_> = all.flatten().collect();
                Some(of_members(&members, document, problem))
            }
            _ => None,
        }
    }
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
    problem: impl FnOnce(String) -> Problem,
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
    names.dedup();
    let is_unique = names.len() == members.len();
    let paths: Vec<_> = names.iter().map(|name| format!("`/{name}`")).collect();
    let help = format!("send an array with an operation for each of {}", paths.join(", "));
    let is_secret = names.iter().any(|name| SECRET.contains(name));
    let operations = members.iter().filter_map(|(name, value)| operation(name, value, document));
    let patch = Patch(Json::Array(operations.collect()));
    Meant { problem: problem(help), patch: is_unique.then_some(patch), is_secret }
}

/// The operation that sets a member, or removes it where the value is null.
fn operation(name: &str, value: &Json, document: &Json) -> Option<Json> {
    let op = match (value, document.member(name).is_some()) {
        (Json::Null, true) => "remove",
        (Json::Null, false) => return None,
        (_, true) => "replace",
        (_, false) => "add",
    };
    let mut members =
        vec![("op".into(), Json::text(op)), ("path".into(), Json::text(format!("/{name}")))];
    if *value != Json::Null {
        members.push(("value".into(), value.clone()));
    }
    Some(Json::Object(members))
}
