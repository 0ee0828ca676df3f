//! JSON Patch (RFC 6902), the part of it that the API takes.

use super::content::{Access, MEMBERS};
use super::document::{self, Json};
use super::kind::{Kind, problem};
use crate::diagnostic::nearest::nearest;
use crate::diagnostic::{Diagnostic, Diagnostics, Found, quote};
use serde::de::{Deserialize, Deserializer};
use serde_json::Value;
use std::fmt;

/// The body of PATCH before any rule was applied: a JSON Patch document.
///
/// An array of operations, applied in order as RFC 6902 says. `op` is `add`, `remove` or
/// `replace`; `path` is one of the members that a patch may touch, whole: a path inside of one,
/// such as `/headers/x-a` or `/eventTypes/-`, is refused, since the API names the members alone.
/// `add` sets a member that may exist; `remove` and `replace` want it to exist; null as a value
/// empties a member as leaving it out of a draft would. Other members of an operation are passed
/// over (RFC 6902 section 4). `Debug` shows no values, since they may be secret.
#[derive(Clone, PartialEq)]
pub struct Patch(pub(super) Json);

impl Patch {
    /// Reads a patch.
    ///
    /// # Errors
    ///
    /// Bytes that are no JSON, or nested deeper than 127. What the operations say is checked by
    /// [`Webhook::patched`](super::Webhook::patched).
    pub fn read(bytes: &[u8]) -> Result<Self, Diagnostics> {
        document::read(bytes, Kind::PatchSyntax).map(Self)
    }
}

impl From<Value> for Patch {
    fn from(value: Value) -> Self {
        Self(value.into())
    }
}

impl<'de> Deserialize<'de> for Patch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Json::deserialize(deserializer).map(Self)
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

/// What a patch did to a document.
#[derive(Default)]
pub(super) struct Applied {
    /// Whether it speaks of the encrypted headers.
    pub(super) headers_anew: bool,
    pub(super) found: Found,
}

impl Patch {
    /// Applies each operation that can be applied, and tells what is wrong with the others.
    pub(super) fn apply(&self, document: &mut Json) -> Applied {
        let mut applied = Applied::default();
        let Json::Array(operations) = &self.0 else {
            applied.found.push(not_a_list(&self.0, SEND.to_owned()));
            return applied;
        };
        for (at, operation) in operations.iter().enumerate() {
            let path = operation.member("path");
            applied.headers_anew |= path == Some(&Json::text("/encryptedHeaders"));
            let faults = match Operation::read(operation, &mut applied.found) {
                Ok(operation) => Vec::from_iter(operation.apply(document).err()),
                Err(faults) => faults,
            };
            for Fault { kind, part, title, help } in faults {
                applied.found.push(problem(kind, format!("/{at}{part}"), title, help));
            }
        }
        applied
    }
}

const SEND: &str = r#"send an array, such as `[{"op": "remove", "path": "/description"}]`"#;

pub(super) fn not_a_list(found: &Json, help: String) -> Diagnostic {
    let title = format!("the patch is {}, not an array of operations", found.kind());
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

/// An operation that may be tried.
struct Operation<'a> {
    op: Op,
    member: &'static str,
    value: Option<&'a Json>,
}

/// A problem of an operation; `part` is the pointer behind the operation's own.
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
    /// `found` is asked whether the path that was likely meant may be looked for.
    fn read(operation: &'a Json, found: &mut Found) -> Result<Self, Vec<Fault>> {
        let Json::Object(members) = operation else {
            let title = format!("an operation is {}", operation.kind());
            let help = "give an object with `op`, `path` and `value`";
            return Err(vec![Fault::new(Kind::PatchOperation, "", title, help)]);
        };
        let mut faults = Vec::new();
        let twice = |name: &str| members.iter().filter(|(known, _)| &**known == name).count() > 1;
        for (name, part) in [("op", "/op"), ("path", "/path"), ("value", "/value")] {
            if twice(name) {
                let title = format!("duplicate `{name}` of an operation");
                let help = "remove one of the two";
                faults.push(Fault::new(Kind::PatchOperation, part, title, help));
            }
        }
        let op = op(operation).map_err(|fault| faults.push(fault));
        let member = member(operation, found).map_err(|fault| faults.push(fault));
        let value = operation.member("value");
        if value.is_none() && op.is_ok_and(|op| op != Op::Remove) {
            let title = "an operation has no `value`";
            let help = "give the value that the member shall have";
            faults.push(Fault::new(Kind::PatchMissingValue, "/value", title, help));
        }
        match (op, member) {
            (Ok(op), Ok(member)) if faults.is_empty() => Ok(Self { op, member, value }),
            _ => Err(faults),
        }
    }

    fn apply(&self, document: &mut Json) -> Result<(), Fault> {
        let Self { op, member, value } = *self;
        let absent = document.member(member).is_none();
        let fault = |what: &str, help: &str| {
            let title = format!("there is no `/{member}` to {what}");
            Err(Fault::new(Kind::PatchAbsent, "/path", title, help))
        };
        match (op, value) {
            (Op::Remove, _) if absent => fault("remove", "leave the operation out"),
            (Op::Replace, _) if absent => fault("replace", "use `add`, which sets it in any case"),
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

fn op(operation: &Json) -> Result<Op, Fault> {
    let written = text(operation, "op", "/op")?;
    let op = Op::ALL.into_iter().find(|(word, _)| *word == written);
    op.map(|(_, op)| op).ok_or_else(|| {
        let title = format!("operation `{}` is not supported", quote(written));
        let help = format!("use {}", Op::ALL.map(|(word, _)| format!("`{word}`")).join(" or "));
        Fault::new(Kind::PatchUnknownOperation, "/op", title, help)
    })
}

/// The member that the path names.
fn member(operation: &Json, found: &mut Found) -> Result<&'static str, Fault> {
    let path = text(operation, "path", "/path")?;
    patchable().find(|name| path.strip_prefix('/') == Some(name)).ok_or_else(|| {
        // What follows a member may be secret.
        let inside = path.match_indices('/').find(|(at, _)| *at > 0);
        let title = match inside.and_then(|(at, _)| path.get(..at)) {
            Some(whole) => format!("`{}/…` cannot be patched", quote(whole)),
            None => format!("`{}` cannot be patched", quote(path)),
        };
        Fault::new(Kind::PatchPath, "/path", title, path_help(path, found))
    })
}

fn text<'a>(operation: &'a Json, name: &str, part: &'static str) -> Result<&'a str, Fault> {
    let title = match operation.member(name) {
        Some(Json::String(text)) => return Ok(text),
        Some(other) => format!("`{name}` of an operation is {}", other.kind()),
        None => format!("an operation has no `{name}`"),
    };
    Err(Fault::new(Kind::PatchOperation, part, title, "give a string"))
}

/// The members that a patch may touch.
pub(super) fn patchable() -> impl Iterator<Item = &'static str> {
    MEMBERS.iter().filter(|member| member.access == Access::Patch).map(|member| member.name)
}

pub(super) fn path_help(path: &str, found: &mut Found) -> String {
    let name = path.strip_prefix('/').unwrap_or(path);
    let whole = name.split('/').next().unwrap_or_default();
    let all = || patchable().map(|name| format!("`/{name}`")).collect::<Vec<_>>().join(", ");
    match MEMBERS.iter().find(|known| known.name == whole).map(|known| known.access) {
        Some(Access::Patch) if whole == name => format!("write `/{whole}`"),
        Some(Access::Patch) => format!("give `/{whole}` as a whole"),
        Some(Access::WebhookDocument) => {
            format!("replace the whole webhook to change it; a patch takes {}", all())
        }
        Some(Access::Server) => format!("the server sets it; a patch takes {}", all()),
        None => match found.suggest(|| nearest(whole, patchable())) {
            Some(nearest) => format!("did you mean `/{nearest}`?"),
            None => format!("a patch takes {}", all()),
        },
    }
}
