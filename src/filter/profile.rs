//! Profiles: the attributes, values, event types and operators that filters may use.

use super::{Filter, check, suggest};
use crate::diagnostic::{Diagnostic, Diagnostics, quote};
use crate::event::{self, AttributePaths, Event, EventType, JsonPath, ShapeCache, envelope};
use crate::syntax::{self, AttrPath, CompareOp, Expr, ExprKind, Limits, is_space};
use http::StatusCode;
use std::fmt;
use std::sync::{Arc, LazyLock};

/// The attributes and operators that filters may use.
///
/// Cloning copies no data. Two profiles are equal if their attributes, operators and limits are
/// equal. A server with other attributes builds its own profile:
///
/// ```
/// use hooksieve::event::JsonPath;
/// use hooksieve::filter::{Attribute, Profile};
///
/// let profile = Profile::new([
///     Attribute::new("region", [JsonPath::new(["data", "region"])]),
///     Attribute::new("state", [JsonPath::new(["data", "state"])]).one_of(["open", "done"]),
/// ])?;
/// assert!(profile.filter(r#"region eq "eu" and state ne "done""#).is_ok());
/// assert!(profile.filter(r#"state eq "closed""#).is_err());
/// # Ok::<(), hooksieve::diagnostic::Diagnostic>(())
/// ```
#[derive(Clone)]
pub struct Profile(Arc<Inner>);

#[derive(PartialEq, Eq)]
struct Inner {
    attributes: Box<[Attribute]>,
    operators: Box<[Operator]>,
    limits: Limits,
    /// Shared with the profiles derived from this one, so that an event read for one has its values
    /// by index for the other.
    paths: Arc<AttributePaths>,
}

/// An attribute that filters may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    name: Box<str>,
    /// The paths at which events may have it, the preferred one first.
    places: Vec<JsonPath>,
    /// The values that filters may compare it with; `None` for any.
    values: Option<Box<[Box<str>]>>,
    /// The only event type that a webhook with this attribute may have; `None` for any.
    only_with: Option<EventType>,
    /// Other event types whose events have it, for messages.
    also_in: Box<[EventType]>,
    /// Names for it that only serve suggestions.
    aliases: Box<[Box<str>]>,
}

impl Attribute {
    /// Creates an attribute that allows any string and any event types.
    ///
    /// Its value in an event is the first non-empty string found at `places`, tried in order.
    /// [`Profile::new`] checks the name and the places.
    pub fn new(name: impl Into<Box<str>>, places: impl IntoIterator<Item = JsonPath>) -> Self {
        let places = places.into_iter().collect();
        Self {
            name: name.into(),
            places,
            values: None,
            only_with: None,
            also_in: Box::default(),
            aliases: Box::default(),
        }
    }

    /// Sets other names of the attribute, such as its label in a user interface.
    ///
    /// A filter cannot use an alias. If it does, the error suggests the attribute. Separators,
    /// letter case and a final `s` of an alias are ignored. If several attributes share an alias,
    /// the error names all of them and makes no suggestion.
    ///
    /// ```
    /// use hooksieve::event::JsonPath;
    /// use hooksieve::filter::{Attribute, Profile};
    ///
    /// let region = Attribute::new("region", [JsonPath::new(["data", "region"])]).with_aliases(["area"]);
    /// let error = Profile::new([region])?.filter(r#"Areas eq "eu""#).unwrap_err();
    /// assert_eq!(error.suggestion(), Some(r#"region eq "eu""#));
    /// # Ok::<(), hooksieve::diagnostic::Diagnostic>(())
    /// ```
    #[must_use]
    pub fn with_aliases<A: Into<Box<str>>>(self, aliases: impl IntoIterator<Item = A>) -> Self {
        Self { aliases: aliases.into_iter().map(Into::into).collect(), ..self }
    }

    /// Restricts the values that filters may compare the attribute with.
    ///
    /// A filter with another value is refused; values are compared case-sensitively. The values in
    /// events are not restricted.
    #[must_use]
    pub fn one_of<V: Into<Box<str>>>(self, values: impl IntoIterator<Item = V>) -> Self {
        Self { values: Some(values.into_iter().map(Into::into).collect()), ..self }
    }

    /// Restricts the attribute to webhooks that have this event type and no other.
    ///
    /// Only [`Profile::filter_for`] checks this, because it knows the event types.
    #[must_use]
    pub fn only_with(self, event_type: impl Into<EventType>) -> Self {
        Self { only_with: Some(event_type.into()), ..self }
    }

    /// Returns the attribute's name, in the letter case in which filters print it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the names that only serve suggestions.
    pub(super) fn aliases(&self) -> &[Box<str>] {
        &self.aliases
    }

    /// Sets further event types whose events have the attribute, for use in messages.
    ///
    /// It has an effect only together with [`only_with`](Self::only_with): an error about a value
    /// then explains that events of these types may have the value, but cannot be filtered by it.
    #[must_use]
    pub fn also_in<T: Into<EventType>>(self, event_types: impl IntoIterator<Item = T>) -> Self {
        Self { also_in: event_types.into_iter().map(Into::into).collect(), ..self }
    }

    /// Returns the event types of [`also_in`](Self::also_in).
    pub(super) fn other_event_types(&self) -> &[EventType] {
        &self.also_in
    }

    /// Returns the paths at which events may have it.
    pub(super) fn places(&self) -> &[JsonPath] {
        &self.places
    }

    /// Returns the values that filters may compare the attribute with; `None` allows any.
    pub fn values(&self) -> Option<&[Box<str>]> {
        self.values.as_deref()
    }

    /// Returns the event type that must be the webhook's only one; `None` for any.
    #[must_use]
    pub(crate) fn sole_event_type(&self) -> Option<&EventType> {
        self.only_with.as_ref()
    }
}

/// An operator that a [`Filter`] can evaluate.
///
/// The grammar has more operators, see [`CompareOp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Operator {
    /// `eq`: the attribute has exactly this value.
    Eq,
    /// `ne`: the attribute has another value or is absent.
    Ne,
}

impl Operator {
    /// All operators.
    pub const ALL: [Self; 2] = [Self::Eq, Self::Ne];

    /// Returns the same operator as a [`CompareOp`] of the grammar.
    #[must_use]
    pub fn compare_op(self) -> CompareOp {
        match self {
            Self::Eq => CompareOp::Eq,
            Self::Ne => CompareOp::Ne,
        }
    }
}

/// Serializes an operator as it is written in filters.
impl serde::Serialize for Operator {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.compare_op().fmt(f)
    }
}

impl Profile {
    /// Creates a profile of these attributes with all operators and the default [`Limits`].
    ///
    /// The order matters for speed: put selective attributes first, that is, those of which few
    /// events have the same value. A filter that requires several values is indexed under the value
    /// that the fewest filters share, and the order of the attributes breaks ties. An attribute with
    /// a list of at most 256 allowed values comes last: a filter is indexed under it only if every
    /// value that it requires is of such an attribute.
    ///
    /// # Errors
    ///
    /// A name is not an attribute path of the grammar or has a schema URI, or one of the errors of
    /// [`AttributePaths::new`]: a duplicate name, an attribute without paths, or too many keys.
    pub fn new(attributes: impl IntoIterator<Item = Attribute>) -> Result<Self, Diagnostic> {
        let attributes: Box<[Attribute]> = attributes.into_iter().collect();
        for attribute in &attributes {
            // The grammar decides what a name is: only a name parses back as the path before `pr`.
            let written = Expr::parse(&format!("{} pr", attribute.name));
            let same = written.is_ok_and(|expr| match expr.root().kind() {
                ExprKind::Present { path } => {
                    path.uri().is_none() && path.as_str() == &*attribute.name
                }
                _ => false,
            });
            if !same {
                return Err(Diagnostic::error(
                    "profile-invalid-name",
                    format!("`{}` is not an attribute name", quote(&attribute.name)),
                    "use a name of RFC 7643 section 2.1, such as `spaceId` or `data.status`",
                )
                .with_status(StatusCode::INTERNAL_SERVER_ERROR));
            }
        }
        let places =
            attributes.iter().map(|attribute| (&*attribute.name, attribute.places.clone()));
        let paths = Arc::new(AttributePaths::new(places)?);
        let operators = Operator::ALL.into();
        Ok(Self(Arc::new(Inner { attributes, operators, limits: Limits::default(), paths })))
    }

    /// Returns the profile with the filter attributes of the Qlik Cloud webhooks API.
    ///
    /// The attributes are `id`, `topLevelResourceId`, `spaceId` and `data.status`; the operators
    /// are `eq` and `ne`. `data.status` is `ok` or `error`, and may be used only by a webhook whose
    /// only event type is `com.qlik.v1.app.reload.finished`.
    #[must_use]
    pub fn webhook() -> Self {
        WEBHOOK.clone()
    }

    /// Returns a copy of the profile with only these operators.
    ///
    /// Unless the operators are the same, the copy is not equal to this profile, so a
    /// [`Matcher`](crate::matcher::Matcher) of one refuses filters of the other.
    #[must_use]
    pub fn with_operators(&self, operators: impl IntoIterator<Item = Operator>) -> Self {
        let attributes = self.0.attributes.clone();
        let operators = operators.into_iter().collect();
        self.rebuilt(attributes, operators, self.0.limits)
    }

    /// Returns a copy of the profile with other limits for [`filter`](Self::filter).
    ///
    /// Unless the limits are the same, the copy is not equal to this profile, so a
    /// [`Matcher`](crate::matcher::Matcher) of one refuses filters of the other.
    #[must_use]
    pub fn with_limits(&self, limits: Limits) -> Self {
        self.rebuilt(self.0.attributes.clone(), self.0.operators.clone(), limits)
    }

    fn rebuilt(
        &self,
        attributes: Box<[Attribute]>,
        operators: Box<[Operator]>,
        limits: Limits,
    ) -> Self {
        Self(Arc::new(Inner { attributes, operators, limits, paths: self.0.paths.clone() }))
    }

    /// Parses a filter and checks it, except for rules about event types.
    ///
    /// An empty text, or one of white space only, is the filter that matches everything.
    ///
    /// # Errors
    ///
    /// The first syntax error, or else everything that the profile does not allow, in the order of
    /// the text.
    pub fn filter(&self, text: &str) -> Result<Filter, Diagnostics> {
        self.parse(text, None)
    }

    /// Parses and checks a filter of a webhook with these event types.
    ///
    /// # Errors
    ///
    /// Those of [`filter`](Self::filter), and attributes that cannot be used with the event types.
    pub fn filter_for(&self, text: &str, event_types: &[EventType]) -> Result<Filter, Diagnostics> {
        self.parse(text, Some(event_types))
    }

    /// Parses and checks a filter, with event types if they are known.
    pub(crate) fn parse(
        &self,
        text: &str,
        event_types: Option<&[EventType]>,
    ) -> Result<Filter, Diagnostics> {
        if text.chars().all(is_space) {
            return Ok(Filter::everything(self));
        }
        // A syntax error is reported without violations: the tree after it is unknown.
        match syntax::parse(text, self.0.limits) {
            Ok(tree) => check::check(self, tree.root(), event_types),
            Err(error) => {
                let error = suggest::explained(self, text, event_types, error);
                Err(Diagnostic::from(error).into())
            }
        }
    }

    /// Checks a parsed filter, except for rules about event types.
    ///
    /// # Errors
    ///
    /// Everything that the profile does not allow, in the order of the text.
    pub fn check(&self, expr: &Expr) -> Result<Filter, Diagnostics> {
        check::check(self, expr.root(), None)
    }

    /// Checks a parsed filter of a webhook with these event types, also by the rules about them.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check), and attributes that cannot be used with the event types.
    pub fn check_for(&self, expr: &Expr, event_types: &[EventType]) -> Result<Filter, Diagnostics> {
        check::check(self, expr.root(), Some(event_types))
    }

    /// Reads an event and the values of this profile's attributes.
    ///
    /// # Errors
    ///
    /// Those of [`Event::read`].
    pub fn read_event<'a>(&'a self, bytes: &'a [u8]) -> Result<Event<'a>, event::Error> {
        Event::read(&self.0.paths, bytes)
    }

    /// Reads an event as [`read_event`](Self::read_event) does, faster for known shapes.
    ///
    /// A [`ShapeCache`] remembers the text between the values of earlier events. Keep one per
    /// thread. The result is the same as without it.
    ///
    /// # Errors
    ///
    /// Those of [`Event::read`].
    pub fn read_event_with<'a>(
        &'a self,
        bytes: &'a [u8],
        shapes: &mut ShapeCache,
    ) -> Result<Event<'a>, event::Error> {
        Event::read_with(&self.0.paths, bytes, shapes)
    }

    /// Returns the attributes, in the order in which they were given.
    #[must_use]
    pub fn attributes(&self) -> &[Attribute] {
        &self.0.attributes
    }

    /// Returns the operators.
    #[must_use]
    pub(crate) fn operators(&self) -> &[Operator] {
        &self.0.operators
    }

    /// Returns the attributes' paths, from which [`Event::new`] builds an event without bytes.
    #[must_use]
    pub fn attribute_paths(&self) -> &AttributePaths {
        &self.0.paths
    }

    pub(super) fn limits(&self) -> Limits {
        self.0.limits
    }

    /// Returns the name of the attribute with this index.
    pub(crate) fn attribute_name(&self, index: usize) -> &str {
        &self.attribute(index).name
    }

    /// Returns the attribute with this index.
    #[expect(clippy::indexing_slicing, reason = "indices come from `find` of an equal profile")]
    fn attribute(&self, index: usize) -> &Attribute {
        &self.0.attributes[index]
    }

    /// Returns the attribute that a path names, case-insensitively, with its index.
    pub(super) fn find(&self, path: AttrPath<'_>) -> Option<(usize, &Attribute)> {
        // The attributes and their paths have the same order, so they share indices.
        let index = self.0.paths.find(path.as_str())?;
        Some((index, self.attribute(index)))
    }
}

impl PartialEq for Profile {
    fn eq(&self, other: &Self) -> bool {
        // Nearly all profiles that are compared are clones of one.
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Eq for Profile {}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.attributes.iter().map(|attribute| &attribute.name);
        f.debug_list().entries(names).finish()
    }
}

/// The webhook profile: the filter attributes of the webhooks API reference.
///
/// Attributes that are envelope fields take their paths from the table in `envelope`. An event may
/// also have the id and the space in `data`.
static WEBHOOK: LazyLock<Profile> = LazyLock::new(|| {
    let places = |keys: &[&[&str]]| -> Vec<JsonPath> {
        keys.iter().map(|keys| JsonPath::new(keys.iter().copied())).collect()
    };
    let rows = [
        Attribute::new(
            "id",
            places(&[&["data", "id"], &["data", "attributes", "id"], &["data", "dataTask", "id"]]),
        )
        .with_aliases(["app id", "data.appId", "resource id"]),
        Attribute::new("topLevelResourceId", envelope::paths(envelope::TOP_LEVEL_RESOURCE))
            .with_aliases(["app id", "data.appId", "resource id"]),
        Attribute::new(
            "spaceId",
            envelope::paths(envelope::SPACE).chain(places(&[
                &["data", "spaceId"],
                &["data", "attributes", "spaceId"],
                &["data", "dataTask", "spaceId"],
            ])),
        ),
        Attribute::new("data.status", places(&[&["data", "status"]]))
            .one_of(["ok", "error"])
            .only_with("com.qlik.v1.app.reload.finished")
            .also_in([
                "com.qlik.v1.reload.finished",
                "com.qlik.v1.automation.run.started",
                "com.qlik.v1.automation.run.ended",
                "com.qlik.v1.automation.run.failed",
            ]),
    ];
    #[expect(clippy::expect_used, reason = "the rows are constants, and every test reads them")]
    Profile::new(rows).expect("the webhook profile is valid")
});
