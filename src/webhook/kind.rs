//! The codes of errors and warnings about webhooks, and the diagnostics that carry them.
//!
//! # Codes are stable
//!
//! A program may decide by a code, so a code never changes once it was released. That is why some
//! codes keep an older wording, such as `member-doubled`, while the kinds and messages do not.

use crate::diagnostic::{Diagnostic, kinds};

/// Makes the diagnostic of a kind at a JSON pointer.
pub(super) fn problem(
    kind: Kind,
    pointer: impl Into<Box<str>>,
    message: impl Into<Box<str>>,
    help: impl Into<Box<str>>,
) -> Diagnostic {
    Diagnostic::error(kind.code(), message, help).with_pointer(pointer)
}

/// Returns all codes of diagnostics about webhooks, patches and list queries.
///
/// Diagnostics of the filter have codes of their own.
///
/// ```
/// assert!(hooksieve::webhook::codes().any(|code| code == "url-not-https"));
/// ```
pub fn codes() -> impl Iterator<Item = &'static str> {
    Kind::ALL.iter().map(|kind| kind.code())
}

/// Turns a diagnostic of a filter into one of its webhook, with `more` after the help.
pub(super) fn of_filter(mut found: Diagnostic, more: &str) -> Diagnostic {
    if !more.is_empty() {
        // Correcting the filter is not enough, so there is no text to paste.
        let help = format!("{}{more}", found.help());
        found.set_help(help);
        found = found.with_suggestion(None::<&str>);
    }
    found.with_pointer("/filter")
}

/// Escapes a name as a part of a JSON pointer (RFC 6901).
pub(super) fn token(name: &str) -> String {
    // In this order, or the `~` of `~1` would be escaped again (RFC 6901 section 3).
    name.replace('~', "~0").replace('/', "~1")
}

kinds! {
    /// The kinds of errors and warnings about a webhook, a patch or a list query.
    ///
    /// Diagnostics of the filter have codes of their own.
    pub(crate) Kind {
        /// A document that is not JSON.
        Syntax = "webhook-syntax",
        /// A patch that is not JSON.
        PatchSyntax = "patch-syntax",
        /// More problems than are listed.
        MoreProblems = "more-problems",
        /// JSON that is not an object.
        NotAnObject = "webhook-not-an-object",
        /// The creator already has the maximum number of webhooks.
        UserLimit = "webhook-limit",
        /// A duplicate member.
        DuplicateMember = "member-doubled",
        /// A warning: an unknown member.
        UnknownMember = "member-unknown",
        /// A warning: a request with members that the server sets.
        ReadOnlyMember = "member-read-only",
        /// A required member that is missing.
        MissingMember = "member-missing",
        /// A value of the wrong JSON type.
        WrongType = "member-wrong-type",
        /// A word that is not one of those allowed.
        NotAllowed = "member-not-allowed",
        /// Too few characters.
        TooShort = "member-too-short",
        /// Too many characters.
        TooLong = "member-too-long",
        /// Text that is not a time.
        InvalidTime = "member-invalid-time",
        /// Text that is not a URL.
        UrlInvalid = "url-invalid",
        /// A URL that a parser would have to repair.
        UrlNeedsRepair = "url-needs-repair",
        /// A URL whose scheme is not https.
        UrlNotHttps = "url-not-https",
        /// A URL with a user name or a password.
        UrlCredentials = "url-credentials",
        /// A URL whose host is an IP address, in any spelling.
        UrlAddress = "url-ip-address",
        /// A URL whose host is not a fully qualified domain name.
        UrlHost = "url-host",
        /// A URL whose host is a reserved name, or a name under one.
        UrlReservedHost = "url-reserved-host",
        /// A URL whose port is 0, or not a number below 65536.
        UrlPort = "url-port",
        /// A warning: a URL with a fragment, which is never sent.
        UrlFragment = "url-fragment",
        /// A warning: a URL with punctuation that most likely belongs to the text around it.
        UrlPunctuation = "url-trailing-punctuation",
        /// A warning: a placeholder, such as `{{TOKEN}}`, in place of a value.
        Placeholder = "placeholder",
        /// An owner of a webhook that is not of level `user`.
        OwnerNotAllowed = "owner-not-allowed",
        /// An event type that is not in the catalogue.
        EventTypeUnknown = "event-type-unknown",
        /// An event type that does not support the webhook's level.
        EventTypeLevel = "event-type-level",
        /// A warning: no event types, so the webhook never fires.
        NoEventTypes = "event-types-none",
        /// A warning: no `enabled`, so the webhook is off.
        EnabledMissing = "enabled-missing",
        /// A warning: a secret that begins or ends with white space.
        SecretBlank = "secret-outer-blank",
        /// An error or warning in the filter, which has codes of its own.
        Filter = "filter",
        /// A header name that is not a token (RFC 9110 section 5.1).
        HeaderName = "header-name",
        /// A header value that HTTP cannot carry unchanged.
        HeaderValue = "header-value",
        /// A duplicate header, compared case-insensitively, in one group or in both.
        DuplicateHeader = "header-doubled",
        /// A header that the server sets, or that frames the request.
        HeaderReserved = "header-reserved",
        /// Headers of more bytes than allowed.
        HeadersTooLarge = "headers-too-large",
        /// Names of encrypted headers without their values, in a request.
        HeaderWithoutValue = "header-without-value",
        /// A change of the URL that neither sets nor removes the encrypted headers.
        HeadersNeeded = "headers-needed-anew",
        /// An attempt to switch off the delivery of CloudEvents.
        CloudEventsFixed = "cloud-events-fixed",
        /// A change of the origin, which is fixed at creation.
        OriginFixed = "origin-fixed",
        /// A patch that is not an array.
        PatchNotAList = "patch-not-an-array",
        /// An operation that is not an object with `op` and `path`.
        PatchOperation = "patch-invalid-operation",
        /// An operation that is not supported.
        PatchUnknownOperation = "patch-unknown-operation",
        /// A path that cannot be patched.
        PatchPath = "patch-path",
        /// An operation without the value it needs.
        PatchMissingValue = "patch-missing-value",
        /// A member that is to be removed or replaced, but is absent.
        PatchAbsent = "patch-absent",
        /// An unknown list parameter.
        ListUnknownParameter = "list-unknown-parameter",
        /// A duplicate list parameter.
        DuplicateParameter = "list-doubled-parameter",
        /// A list parameter with an invalid value.
        ListInvalidValue = "list-invalid-value",
        /// A cursor that does not come from a list in this order.
        ListInvalidCursor = "list-invalid-cursor",
    }
}
