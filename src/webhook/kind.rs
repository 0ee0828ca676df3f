//! The codes of everything that can be wrong with a webhook, and the diagnostics that carry them.

use crate::diagnostic::{Diagnostic, kinds};

/// The diagnostic of a kind, at a JSON pointer.
pub(super) fn problem(
    kind: Kind,
    pointer: impl Into<Box<str>>,
    message: impl Into<Box<str>>,
    help: impl Into<Box<str>>,
) -> Diagnostic {
    Diagnostic::error(kind.code(), message, help).with_pointer(pointer)
}

/// Every code of a diagnostic about a webhook, a patch or a list query, apart from the filter's.
///
/// ```
/// assert!(hooksieve::webhook::codes().any(|code| code == "url-not-https"));
/// ```
pub fn codes() -> impl Iterator<Item = &'static str> {
    Kind::ALL.iter().map(|kind| kind.code())
}

/// A filter's diagnostic as one of its webhook, with `more` after the help.
pub(super) fn of_filter(mut found: Diagnostic, more: &str) -> Diagnostic {
    if !more.is_empty() {
        // Correcting the filter is not enough.
        let help = format!("{}{more}", found.help());
        found.set_help(help);
        found = found.with_suggestion(None::<&str>);
    }
    found.with_pointer("/filter")
}

/// Escapes a name as a part of a JSON pointer (RFC 6901).
pub(super) fn token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

kinds! {
    /// What can be wrong with a webhook, a patch or a list query, or worth a warning. Diagnostics of
    /// the filter have codes of their own.
    pub(crate) Kind {
        /// A document that is no JSON.
        Syntax = "webhook-syntax",
        /// A patch that is no JSON.
        PatchSyntax = "patch-syntax",
        /// There are more problems than are listed.
        MoreProblems = "more-problems",
        /// JSON that is no object.
        NotAnObject = "webhook-not-an-object",
        /// The creator has as many webhooks as a user may have.
        TenantLimit = "webhook-limit",
        /// A duplicate member.
        DoubledMember = "member-doubled",
        /// A warning: a member that webhooks do not have.
        UnknownMember = "member-unknown",
        /// A warning: members that the server sets, in a request.
        ReadOnlyMember = "member-read-only",
        /// A required member is missing.
        MissingMember = "member-missing",
        /// A value of another JSON type.
        WrongType = "member-wrong-type",
        /// A word that is none of those allowed.
        NotAllowed = "member-not-allowed",
        /// Too few characters.
        TooShort = "member-too-short",
        /// Too many characters.
        TooLong = "member-too-long",
        /// Text that is no time.
        InvalidTime = "member-invalid-time",
        /// A URL that cannot be read.
        UrlInvalid = "url-invalid",
        /// A URL that a parser would have to repair.
        UrlNeedsRepair = "url-needs-repair",
        /// A URL whose scheme is not https.
        UrlNotHttps = "url-not-https",
        /// A URL with a user name or a password.
        UrlCredentials = "url-credentials",
        /// A URL whose host is an IP address, in whatever spelling.
        UrlAddress = "url-ip-address",
        /// A URL whose host is no fully qualified domain name.
        UrlHost = "url-host",
        /// A URL whose host is a name that is not for public use, or under one.
        UrlReservedHost = "url-reserved-host",
        /// A URL with port 0.
        UrlPort = "url-port",
        /// A warning: a URL with a fragment, which is never sent.
        UrlFragment = "url-fragment",
        /// A warning: a URL that ends with a sign that most likely belongs to the text around it.
        UrlPunctuation = "url-trailing-punctuation",
        /// A warning: a placeholder, such as `{{TOKEN}}`, in place of a value.
        Placeholder = "placeholder",
        /// An owner of a webhook that is not of level `user`.
        OwnerNotAllowed = "owner-not-allowed",
        /// An event type that the catalogue does not have.
        EventTypeUnknown = "event-type-unknown",
        /// An event type that does not support the webhook's level.
        EventTypeLevel = "event-type-level",
        /// A warning: no event types, so the webhook never fires.
        NoEventTypes = "event-types-none",
        /// A warning: no `enabled`, so the webhook is off.
        EnabledMissing = "enabled-missing",
        /// A warning: a secret that begins or ends with white space.
        SecretBlank = "secret-outer-blank",
        /// A mistake in the filter, or a warning of it; the codes are those of [`filter::Diagnostic`].
        Filter = "filter",
        /// A header name that is no token.
        HeaderName = "header-name",
        /// A header value that HTTP does not carry as it is.
        HeaderValue = "header-value",
        /// A duplicate header, compared case-insensitively, in one group or in both.
        HeaderDoubled = "header-doubled",
        /// A header that the server sets, or that frames the request.
        HeaderReserved = "header-reserved",
        /// Headers of more bytes than allowed.
        HeadersTooLarge = "headers-too-large",
        /// A draft names encrypted headers without their values.
        HeaderWithoutValue = "header-without-value",
        /// The URL changes, and the encrypted headers are neither given again nor removed.
        HeadersNeededAnew = "headers-needed-anew",
        /// Cloud-event delivery cannot be switched off again.
        CloudEventsFixed = "cloud-events-fixed",
        /// The origin is fixed at creation.
        OriginFixed = "origin-fixed",
        /// A patch that is no array.
        PatchNotAList = "patch-not-an-array",
        /// An operation that is no object with `op` and `path`.
        PatchOperation = "patch-invalid-operation",
        /// An operation that is not supported.
        PatchUnknownOperation = "patch-unknown-operation",
        /// A path that cannot be patched.
        PatchPath = "patch-path",
        /// An operation without the value it needs.
        PatchMissingValue = "patch-missing-value",
        /// Nothing stands where something should be removed or replaced.
        PatchAbsent = "patch-absent",
        /// A list parameter that does not exist.
        ListUnknownParameter = "list-unknown-parameter",
        /// A duplicate list parameter.
        ListDoubledParameter = "list-doubled-parameter",
        /// A list parameter with a value that it cannot have.
        ListInvalidValue = "list-invalid-value",
        /// A cursor that no list gave out, or that another order did.
        ListInvalidCursor = "list-invalid-cursor",
    }
}
