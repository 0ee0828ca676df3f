//! JSON Patch (RFC 6902), as far as the API supports it.
//!
//! # Example
//!
//! ```text
//! [{"op": "replace", "path": "/name", "value": "n"},     0: sets `name`
//!  {"op": "remove", "path": "/description"},             1: removes a member that must exist
//!  {"op": "add", "path": "/headers/x-a", "value": "1"}]  2: error at `/2/path`: inside a member
//! ```
//!
//! Operations 0 and 1 are applied to a copy of the document, 2 is reported, and the copy is
//! checked. The pointer of an error begins with the number of its operation. It does not point into
//! the webhook.
//!
//! # Why only whole members
//!
//! The API has no others. So an operation needs no JSON pointer into a value, and applying it is
//! one change of the document's list of members, which keeps its order and its duplicates.

use super::content::{Access, MEMBERS};
use super::document::{self, Json};
use super::kind::{Kind, problem};
use crate::diagnostic::nearest::nearest;
use crate::diagnostic::{Diagnostic, Diagnostics, Found, quote};
use serde::de::{Deserialize, Deserializer};
use serde_json::Value;
use std::fmt;

/// The body of a PATCH, a JSON Patch document (RFC 6902), before it is checked.
///
/// It is an array of operations, which are applied in order:
///
/// | `op` | effect |
/// | --- | --- |
/// | `add` | sets the member, whether or not it exists |
/// | `replace` | sets the member, which must exist |
/// | `remove` | removes the member, which must exist |
///
/// `path` names a whole member that can be patched. A path inside a member, such as `/headers/x-a`
/// or `/eventTypes/-`, is refused. The value `null` clears a member, as if a new document left it
/// out. Members of an operation other than `op`, `path` and `value` are ignored (RFC 6902 section
/// 4). `Debug` shows no values, since they may be secret.
#[derive(Clone, PartialEq)]
pub struct Patch(pub(super) Json<'static>);

impl Patch {
    /// Reads a patch.
    ///
    /// # Errors
    ///
    /// Bytes that are not JSON, or nested deeper than 127 levels.
    /// [`Webhook::patched`](super::Webhook::patched) checks the operations.
    pub fn read(bytes: &[u8]) -> Result<Self, Diagnostics> {
        document::read(bytes, Kind::PatchSyntax).map(Json::into_owned).map(Self)
    }
}

impl From<Value> for Patch {
    fn from(value: Value) -> Self {
        Self(value.into())
    }
}

impl<'de> Deserialize<'de> for Patch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Json::deserialize(deserializer).map(Json::into_owned).map(Self)
    }
}

impl fmt::Debug for Patch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Json::Array(operations) => write!(f, "Patch({} operations)", operations.len()),
            other => write!(f, "Patch({})", other.kind()),
        }
    }
}

/// The result of applying a patch.
#[derive(Default)]
pub(super) struct Applied {
    /// Whether an operation sets or removes the encrypted headers.
    pub(super) sets_encrypted: bool,
    pub(super) found: Found,
}

impl Patch {
    /// Applies each valid operation, and reports the errors of the others.
    pub(super) fn apply(&self, document: &mut Json<'_>) -> Applied {
        let mut applied = Applied::default();
        // `Webhook::patched` in `change` calls `merge::meant` first, then `apply`: an object that
        // was most likely meant as a patch has been refused before, with a suggestion.
        let Json::Array(operations) = &self.0 else {
            applied.found.push(not_a_list(&self.0, SEND.to_owned()));
            return applied;
        };
        for (at, operation) in operations.iter().enumerate() {
            let path = operation.member("path");
            // Counted even if the operation is invalid: the author has thought of the encrypted
            // headers, so "set them again with the new URL" would be a second error about the same
            // mistake.
            applied.sets_encrypted |= path == Some(&Json::text("/encryptedHeaders"));
            let faults = match Operation::read(operation, &mut applied.found) {
                Ok(operation) => Vec::from_iter(operation.apply(document).err()),
                Err(faults) => faults,
            };
            for Fault { kind, part, title, help } in faults {
                // A pointer into the patch, which is what the author has to correct.
                applied.found.push(problem(kind, format!("/{at}{part}"), title, help));
            }
        }
        applied
    }
}

const SEND: &str = r#"send an array, such as `[{"op": "remove", "path": "/description"}]`"#;

/// Makes the error for a patch that is not an array.
pub(super) fn not_a_list(found: &Json<'_>, help: String) -> Diagnostic {
    let title = format!("expected an array of operations, found {}", found.kind());
    problem(Kind::PatchNotAList, "", title, help)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Op {
    Add,
    Remove,
    Replace,
}

impl Op {
    const ALL: [(&str, Self); 3] =
        [("add", Self::Add), ("remove", Self::Remove), ("replace", Self::Replace)];
}

/// A valid operation.
struct Operation<'a> {
    op: Op,
    member: &'static str,
    value: Option<&'a Json<'static>>,
}

/// An error in an operation.
///
/// `part` is the rest of the pointer, after that of the operation.
struct Fault {
    kind: Kind,
    part: &'static str,
    title: String,
    help: String,
}

impl Fault {
    fn new(
        kind: Kind,
        part: &'static str,
        title: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self { kind, part, title: title.into(), help: help.into() }
    }
}

impl<'a> Operation<'a> {
    /// Reads an operation. `found` limits how many suggestions are looked for.
    fn read(operation: &'a Json<'static>, found: &mut Found) -> Result<Self, Vec<Fault>> {
        let Json::Object(members) = operation else {
            let title = format!("an operation is {}", operation.kind());
            let help = "give an object with `op`, `path` and `value`";
            return Err(vec![Fault::new(Kind::PatchOperation, "", title, help)]);
        };
        let mut faults = Vec::new();
        // Programs disagree which of two members counts, so a proxy could have checked the other
        // one.
        let is_duplicate =
            |name: &str| members.iter().filter(|(known, _)| &**known == name).count() > 1;
        for (name, part) in [("op", "/op"), ("path", "/path"), ("value", "/value")] {
            if is_duplicate(name) {
                let title = format!("duplicate `{name}` of an operation");
                let help = "remove one of the two";
                faults.push(Fault::new(Kind::PatchOperation, part, title, help));
            }
        }
        // All faults of an operation are collected. `op` and `member` are errors then, and only
        // `faults` says what is wrong.
        let op = op(operation).map_err(|fault| faults.push(fault));
        let member = member(operation, found).map_err(|fault| faults.push(fault));
        let value = operation.member("value");
        if value.is_none() && op.is_ok_and(|op| op != Op::Remove) {
            let title = "an operation has no `value`";
            let help = "give the new value of the member";
            faults.push(Fault::new(Kind::PatchMissingValue, "/value", title, help));
        }
        match (op, member) {
            (Ok(op), Ok(member)) if faults.is_empty() => Ok(Self { op, member, value }),
            _ => Err(faults),
        }
    }

    fn apply(&self, document: &mut Json<'_>) -> Result<(), Fault> {
        let Self { op, member, value } = *self;
        let absent = document.member(member).is_none();
        let fault = |what: &str, help: &str| {
            let title = format!("there is no `/{member}` to {what}");
            Err(Fault::new(Kind::PatchAbsent, "/path", title, help))
        };
        match (op, value) {
            (Op::Remove, _) if absent => fault("remove", "remove the operation"),
            (Op::Replace, _) if absent => {
                fault("replace", "use `add`, which also sets an absent member")
            }
            // A valid operation other than `remove` has a value, so the second pattern never
            // decides.
            (Op::Remove, _) | (_, None) => {
                document.remove(member);
                Ok(())
            }
            (Op::Add | Op::Replace, Some(value)) => {
                document.set(member, value.clone());
                Ok(())
            }
        }
    }
}

fn op(operation: &Json<'_>) -> Result<Op, Fault> {
    let written = text(operation, "op", "/op")?;
    let op = Op::ALL.into_iter().find(|(word, _)| *word == written);
    op.map(|(_, op)| op).ok_or_else(|| {
        let title = format!("operation `{}` is not supported", quote(written));
        let help = format!("use {}", Op::ALL.map(|(word, _)| format!("`{word}`")).join(" or "));
        Fault::new(Kind::PatchUnknownOperation, "/op", title, help)
    })
}

/// Returns the member that the path names.
fn member(operation: &Json<'_>, found: &mut Found) -> Result<&'static str, Fault> {
    let path = text(operation, "path", "/path")?;
    // The known names have no `~` or `/`, so a pointer to one of them has no escapes (RFC 6901).
    patchable().find(|name| path.strip_prefix('/') == Some(name)).ok_or_else(|| {
        // The rest of the path may be secret.
        // Of `/encryptedHeaders/x-api-key`, only `/encryptedHeaders` is shown.
        let inside = path.match_indices('/').find(|(at, _)| *at > 0);
        let title = match inside.and_then(|(at, _)| path.get(..at)) {
            Some(whole) => format!("`{}/…` cannot be patched", quote(whole)),
            None => format!("`{}` cannot be patched", quote(path)),
        };
        Fault::new(Kind::PatchPath, "/path", title, path_help(path, found))
    })
}

fn text<'a>(operation: &'a Json<'_>, name: &str, part: &'static str) -> Result<&'a str, Fault> {
    let title = match operation.member(name) {
        Some(Json::String(text)) => return Ok(text),
        Some(other) => format!("`{name}` of an operation is {}", other.kind()),
        None => format!("an operation has no `{name}`"),
    };
    Err(Fault::new(Kind::PatchOperation, part, title, "give a string"))
}

/// Returns the members that can be patched.
pub(super) fn patchable() -> impl Iterator<Item = &'static str> {
    MEMBERS.iter().filter(|member| member.access == Access::Patch).map(|member| member.name)
}

/// Returns the help for a path that cannot be patched.
pub(super) fn path_help(path: &str, found: &mut Found) -> String {
    let name = path.strip_prefix('/').unwrap_or(path);
    // Every text has a first segment, if only the empty one.
    let whole = name.split('/').next().unwrap_or_default();
    let all = || patchable().map(|name| format!("`/{name}`")).collect::<Vec<_>>().join(", ");
    match MEMBERS.iter().find(|known| known.name == whole).map(|known| known.access) {
        // The name is right, so only the slash is missing.
        Some(Access::Patch) if whole == name => format!("write `/{whole}`"),
        Some(Access::Patch) => format!("replace `/{whole}` as a whole"),
        Some(Access::Document) => {
            format!("replace the whole webhook to change it; a patch takes {}", all())
        }
        Some(Access::Server) => format!("the server sets it; a patch takes {}", all()),
        None => match found.suggest(|| nearest(whole, patchable())) {
            Some(nearest) => format!("did you mean `/{nearest}`?"),
            None => format!("a patch takes {}", all()),
        },
    }
}
