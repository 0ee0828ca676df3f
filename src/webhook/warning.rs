//! The warnings: what is valid in a webhook but probably unintended.
//!
//! A warning never quotes the secret or the value of an encrypted header, not even a placeholder.

use super::content::Content;
use super::headers::{Group, Header};
use super::kind::{Kind, problem, token};
use super::url::Target;
use super::{Rules, Secret, url_fix};
use crate::diagnostic::{Diagnostic, quote};
use crate::event::EventType;
use crate::filter::{Filter, placeholder};

const REPLACE: &str = "replace it with the value";

impl Content {
    /// Returns all warnings, in the order of the checks.
    pub(super) fn warnings(&self, rules: &Rules) -> Vec<Diagnostic> {
        // Warnings have spans in the text that the author wrote, not in the canonical form.
        let text = self.filter_text.as_deref().unwrap_or_default();
        let types = self.event_types.is_empty().then(no_event_types);
        let mut warnings = of_url(&self.target, rules.development);
        warnings.extend(types);
        warnings.extend(of_filter(rules, &self.filter, text, &self.event_types));
        warnings.extend(self.secret.iter().flat_map(of_secret));
        warnings.extend(of_headers(Group::Plain, &self.headers));
        warnings.extend(of_headers(Group::Encrypted, &self.encrypted_headers));
        warnings
    }
}

/// Returns the warnings about a URL.
pub(super) fn of_url(target: &Target, development: bool) -> Vec<Diagnostic> {
    let warning = |kind, title: String| problem(kind, "/url", title, "remove it");
    let mut warnings = Vec::new();
    if target.has_fragment() {
        let title = "the fragment of `url`, from `#` on, is never sent".to_owned();
        warnings.push(warning(Kind::UrlFragment, title));
    }
    let url = target.shown();
    if let Some(found) = placeholder(url) {
        let title = format!("`url` has the placeholder `{}`", quote(found));
        warnings.push(problem(Kind::Placeholder, "/url", title, REPLACE));
    }
    if let Some(wrapped) = url_fix::unwrap(url) {
        let help = "remove it if it belongs to the text around the URL";
        let title = format!("`url` {}", wrapped.what);
        // The URL is valid as it is, so the shorter one is suggested only if it is valid, too.
        let accepted = Target::is_accepted(wrapped.inner, development).then_some(wrapped.inner);
        let problem = problem(Kind::UrlPunctuation, "/url", title, help);
        warnings.push(problem.with_suggestion(accepted));
    }
    warnings
}

/// Warns that there are no event types.
pub(super) fn no_event_types() -> Diagnostic {
    let title = "a webhook without event types never fires";
    let help = "name at least one in `eventTypes`";
    problem(Kind::NoEventTypes, "/eventTypes", title, help)
}

/// Returns the warnings about a filter.
pub(super) fn of_filter(
    rules: &Rules,
    filter: &Filter,
    text: &str,
    event_types: &[EventType],
) -> Vec<Diagnostic> {
    let warnings = filter.warnings(text, |name| rules.catalogue.lacks(event_types, name));
    warnings.into_iter().map(|warning| super::kind::of_filter(warning, "")).collect()
}

/// Returns the warnings about a secret.
pub(super) fn of_secret(secret: &Secret) -> Vec<Diagnostic> {
    // A secret that was withheld cannot be judged.
    let Some(text) = secret.expose() else { return Vec::new() };
    let mut warnings = Vec::new();
    if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
        let title = "`secret` begins or ends with white space, which is part of the key";
        let help = "remove it, unless the receiver has it as well";
        warnings.push(problem(Kind::SecretBlank, "/secret", title, help));
    }
    if placeholder(text).is_some() {
        let title = "`secret` has a placeholder";
        warnings.push(problem(Kind::Placeholder, "/secret", title, REPLACE));
    }
    warnings
}

/// Returns the warnings about a group of headers.
pub(super) fn of_headers(group: Group, headers: &[Header]) -> Vec<Diagnostic> {
    let of_header = |header: &Header| {
        let value = header.value()?.to_str().ok()?;
        let found = placeholder(value)?;
        let name = quote(header.written());
        let title = match group {
            Group::Plain => {
                format!("the value of header `{name}` has the placeholder `{}`", quote(found))
            }
            // The delimiters may be those of a real secret, such as one that contains `{a}`.
            Group::Encrypted => format!("the value of header `{name}` has a placeholder"),
        };
        let pointer = format!("/{}/{}", group.member(), token(header.written()));
        Some(problem(Kind::Placeholder, pointer, title, REPLACE))
    };
    headers.iter().filter_map(of_header).collect()
}

/// Warns that `enabled` is missing.
pub(super) fn not_enabled() -> Diagnostic {
    let title = "webhook has no `enabled`, so it is off and matches no event";
    let help = "set `\"enabled\": true`, or `false` to keep it off";
    problem(Kind::EnabledMissing, "/enabled", title, help)
}

/// Warns of the members of a request that only the server sets, all in one warning.
pub(super) fn read_only(members: &[&'static str]) -> Option<Diagnostic> {
    let names = || members.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let (pointer, title) = match members {
        [] => return None,
        [name] => {
            (format!("/{name}"), format!("`{name}` is set by the server and ignored in a request"))
        }
        _ => (String::new(), format!("{} are set by the server and ignored in a request", names())),
    };
    let help = "remove what the server sets from the request";
    Some(problem(Kind::ReadOnlyMember, pointer, title, help))
}
