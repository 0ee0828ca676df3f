use crate::filter;
use crate::syntax::{Span, kinds};
use serde::{Serialize, Serializer};
use std::fmt;

/// One thing that is wrong with a document, or worth a warning.
///
/// `Serialize` writes an entry of the API's error body: `code`, `title`, `detail`, which also says
/// where, and `suggestion` where there is one.
///
/// ```
/// use hooksieve::webhook::{Draft, ProblemKind, Rules};
///
/// let draft = Draft::read(br#"{"name": "n", "url": "http://hooks.example.com"}"#)?;
/// let report = Rules::default().check(&draft);
/// let problem = &report.errors()[0];
/// assert_eq!((problem.kind(), problem.code()), (ProblemKind::UrlNotHttps, "url-not-https"));
/// assert_eq!(problem.pointer(), "/url");
/// assert_eq!(problem.title(), "`url` has the scheme `http`");
/// assert_eq!(problem.detail(), "write `https://hooks.example.com/`");
/// assert_eq!(problem.suggestion(), Some("https://hooks.example.com/"));
/// # Ok::<(), hooksieve::webhook::Problems>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    kind: ProblemKind,
    code: &'static str,
    pointer: Box<str>,
    title: Box<str>,
    detail: Box<str>,
    span: Option<Span>,
    suggestion: Option<Box<str>>,
}

impl Problem {
    pub(super) fn new(
        kind: ProblemKind,
        pointer: impl Into<Box<str>>,
        title: impl Into<Box<str>>,
        detail: impl Into<Box<str>>,
    ) -> Self {
        let (pointer, title, detail) = (pointer.into(), title.into(), detail.into());
        Self { kind, code: kind.code(), pointer, title, detail, span: None, suggestion: None }
    }

    /// The same with a suggestion.
    pub(super) fn suggesting(mut self, suggestion: Option<impl Into<Box<str>>>) -> Self {
        self.suggestion = suggestion.map(Into::into);
        self
    }

    pub(super) fn set_suggestion(&mut self, suggestion: &str) {
        self.suggestion = Some(suggestion.into());
    }

    pub(super) fn set_detail(&mut self, detail: &str) {
        self.detail = detail.into();
    }

    /// A problem of a filter, with `more` after its help.
    pub(super) fn of_filter(problem: &filter::Problem<'_>, more: &str) -> Self {
        Self {
            kind: ProblemKind::Filter,
            code: problem.code,
            pointer: "/filter".into(),
            title: problem.message.as_str().into(),
            detail: format!("{}{more}", problem.help).into(),
            span: Some(problem.span),
            // Where more is to be said, correcting the filter is not enough.
            suggestion: problem.suggestion.filter(|_| more.is_empty()).map(Box::from),
        }
    }

    /// What kind of mistake it is.
    #[must_use]
    pub fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// A stable word: the kind's, or that of the filter's mistake.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Where, as a JSON pointer (RFC 6901): into the webhook's document; for codes that begin with
    /// `patch-` into the patch; for codes that begin with `list-` the parameter's name behind a
    /// slash. What is missing has the pointer that it would have.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// What is wrong, in one line.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// How to fix it, in one line.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// What to write in place of the value at [`pointer`](Self::pointer), where that is certain: it
    /// is accepted, and is what the author most likely meant. Text as it is for a member that is a
    /// string, JSON for a whole patch.
    #[must_use]
    pub fn suggestion(&self) -> Option<&str> {
        self.suggestion.as_deref()
    }

    /// Where in the text of the filter, for a problem of the filter.
    #[must_use]
    pub fn span(&self) -> Option<Span> {
        self.span
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ErrorEntry::of(self).serialize(serializer)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)
    }
}

/// A name as a part of a JSON pointer.
pub(super) fn token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Problems as they are found. The first [`Problems::MOST`] are kept, so that a small request
/// cannot ask for an answer many times its size.
pub(super) struct Found {
    problems: Vec<Problem>,
    more: usize,
    /// For how many unknown names more the nearest known one is looked up, which is costly.
    suggestions: usize,
}

impl Default for Found {
    fn default() -> Self {
        Self { problems: Vec::new(), more: 0, suggestions: 16 }
    }
}

impl Found {
    pub(super) fn push(&mut self, problem: Problem) {
        if self.problems.len() < Problems::MOST {
            self.problems.push(problem);
        } else {
            self.more += 1;
        }
    }

    /// The name that an unknown one was likely meant to be, for the first few of a request.
    pub(super) fn suggest<'n>(
        &mut self,
        nearest: impl FnOnce() -> Option<&'n str>,
    ) -> Option<&'n str> {
        self.suggestions = self.suggestions.checked_sub(1)?;
        nearest()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    pub(super) fn append(&mut self, other: Self) {
        other.problems.into_iter().for_each(|problem| self.push(problem));
        self.more += other.more;
    }

    pub(super) fn len(&self) -> usize {
        self.problems.len() + self.more
    }

    /// Those that were kept, and behind them how many were not.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let Self { mut problems, more, .. } = self;
        if more > 0 {
            let title = match more {
                1 => "there is 1 more problem".to_owned(),
                _ => format!("there are {more} more problems"),
            };
            let help = "fix those that are listed first";
            problems.push(Problem::new(ProblemKind::MoreProblems, "", title, help));
        }
        problems
    }
}

/// Everything that is wrong with a request, in the order of the rules: at least one problem.
///
/// Of more than [`MOST`](Self::MOST) the first are listed, and a last one of kind
/// [`MoreProblems`](ProblemKind::MoreProblems) says how many there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
    count: usize,
}

impl Problems {
    /// How many problems are listed one by one.
    pub const MOST: usize = 1000;

    /// `found` is not empty.
    pub(super) fn all(found: Found) -> Self {
        debug_assert!(!found.is_empty());
        Self { count: found.len(), list: found.into_problems() }
    }

    /// How many there are, those that are not listed included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    pub(super) fn as_slice(&self) -> &[Problem] {
        &self.list
    }

    /// The problems.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.list.iter()
    }

    /// The API's error body: `{"errors":[{"code","title","detail"}],"traceId"}`. `detail` says how
    /// to fix it, and where, since the API's shape has no member of its own for that; a
    /// `suggestion` is added where there is one.
    ///
    /// ```
    /// use hooksieve::webhook::{Draft, Rules};
    ///
    /// let draft = Draft::read(br#"{"name": "", "url": "https://hooks.example.com"}"#)?;
    /// let errors = Rules::default().check(&draft).into_result().unwrap_err();
    /// assert_eq!(serde_json::to_string(&errors.body(Some("trace-1"))).unwrap(), concat!(
    ///     r#"{"errors":[{"code":"member-too-short","title":"`name` is empty","#,
    ///     r#""detail":"give it 1 to 512 characters (at /name)"}],"traceId":"trace-1"}"#
    /// ));
    /// # Ok::<(), hooksieve::webhook::Problems>(())
    /// ```
    #[must_use]
    pub fn body<'a>(&'a self, trace_id: Option<&'a str>) -> ErrorBody<'a> {
        ErrorBody { errors: self.iter().map(ErrorEntry::of).collect(), trace_id }
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self { list: vec![problem], count: 1 }
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl std::error::Error for Problems {}

/// The first problem, and how many more there are.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(first) = self.list.first() {
            write!(f, "{first}")?;
        }
        match self.count {
            0 | 1 => Ok(()),
            more => write!(f, ", and {} more", more - 1),
        }
    }
}

/// The body of an error response; [`Problems::body`] makes that of what is wrong with a webhook.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody<'a> {
    errors: Vec<ErrorEntry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
}

#[derive(Clone, Debug, Serialize)]
struct ErrorEntry<'a> {
    code: &'a str,
    title: &'a str,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    suggestion: Option<&'a str>,
}

impl<'a> ErrorBody<'a> {
    /// One error, such as that there is no such webhook; without a detail if that is empty.
    ///
    /// ```
    /// let body = hooksieve::webhook::ErrorBody::new("not-found", "there is no such webhook", "");
    /// let text = serde_json::to_string(&body)?;
    /// assert_eq!(text, r#"{"errors":[{"code":"not-found","title":"there is no such webhook"}]}"#);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn new(code: &'a str, title: &'a str, detail: &str) -> Self {
        let entry = ErrorEntry { code, title, detail: detail.to_owned(), suggestion: None };
        Self { errors: vec![entry], trace_id: None }
    }

    /// The same with a way to trace the source of the error.
    #[must_use]
    pub fn with_trace_id(self, trace_id: &'a str) -> Self {
        Self { trace_id: Some(trace_id), ..self }
    }
}

impl<'a> ErrorEntry<'a> {
    fn of(problem: &'a Problem) -> Self {
        let Problem { code, pointer, title, detail, span, .. } = problem;
        let suggestion = problem.suggestion();
        let detail = match span {
            Some(Span { start, end }) => format!("{detail} (at {pointer}, bytes {start} to {end})"),
            None if pointer.is_empty() => detail.to_string(),
            None => format!("{detail} (at {pointer})"),
        };
        Self { code, title, detail, suggestion }
    }
}

kinds! {
    /// The kinds of problem; those of the filter have codes of their own.
    ProblemKind {
        /// A document that is no JSON.
        Syntax = "webhook-syntax",
        /// A patch that is no JSON.
        PatchSyntax = "patch-syntax",
        /// There are more problems than are listed.
        MoreProblems = "more-problems",
        /// JSON that is no object.
        NotAnObject = "webhook-not-an-object",
        /// The creator has as many webhooks as a user may have.
        TooManyWebhooks = "webhook-limit",
        /// A member that stands twice.
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
        /// A mistake in the filter, or a warning of it; the codes are those of [`filter::Problem`].
        Filter = "filter",
        /// A header name that is no token.
        HeaderName = "header-name",
        /// A header value that HTTP does not carry as it is.
        HeaderValue = "header-value",
        /// A header that stands twice, letter case aside, in one group or in both.
        HeaderDoubled = "header-doubled",
        /// A header that the server sets, or that frames the request.
        HeaderReserved = "header-reserved",
        /// Headers of more bytes than allowed.
        HeadersTooLarge = "headers-too-large",
        /// A draft names encrypted headers without their values.
        HeaderWithoutValue = "header-without-value",
        /// The URL changes, and the encrypted headers are neither given anew nor removed.
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
        /// A list parameter that stands twice.
        ListDoubledParameter = "list-doubled-parameter",
        /// A list parameter with a value that it cannot have.
        ListInvalidValue = "list-invalid-value",
        /// A cursor that no list gave out, or that another order did.
        ListInvalidCursor = "list-invalid-cursor",
    }
}
