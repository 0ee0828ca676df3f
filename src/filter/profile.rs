use super::{Filter, check, suggest};
use crate::diagnostic::{Diagnostic, Diagnostics, quote};
use crate::event::{self, AttributePaths, Event, EventType, JsonPath, ShapeCache};
use crate::syntax::{self, AttrPath, CompareOp, Expr, ExprKind, Limits, is_space};
use http::StatusCode;
use std::fmt;
use std::sync::{Arc, LazyLock};

/// What filters may say, as data. Cheap to clone; compares by content.
///
/// An embedding server with other attributes builds its own:
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
    /// Shared by the profiles made from this one, whose events are the same.
    paths: Arc<AttributePaths>,
}

/// An attribute that filters may speak of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    name: Box<str>,
    places: Vec<JsonPath>,
    values: Option<Box<[Box<str>]>>,
    only_with: Option<EventType>,
    also_in: Box<[EventType]>,
    aliases: Box<[Box<str>]>,
}

impl Attribute {
    /// An attribute that may take any string and be used with any event types; in an event the
    /// first of its places that holds a non-empty string gives its value.
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

    /// The same attribute with names that authors may know it by elsewhere, such as in a console.
    ///
    /// Filters cannot use an alias: it only serves suggestions. Separators, letter case and an `s` at
    /// the end do not count. Where attributes share an alias, an error names them all and suggests
    /// none.
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

    /// The same attribute, compared with these values alone.
    #[must_use]
    pub fn one_of<V: Into<Box<str>>>(self, values: impl IntoIterator<Item = V>) -> Self {
        Self { values: Some(values.into_iter().map(Into::into).collect()), ..self }
    }

    /// The same attribute, for webhooks whose one and only event type is this.
    #[must_use]
    pub fn only_with(self, event_type: impl Into<EventType>) -> Self {
        Self { only_with: Some(event_type.into()), ..self }
    }

    /// Its name, as the canonical form prints it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names that it is known by elsewhere.
    pub(super) fn aliases(&self) -> &[Box<str>] {
        &self.aliases
    }

    /// The same attribute, with event types whose events have it too, though filters cannot use it
    /// with them, see [`only_with`](Self::only_with). It only serves explanations.
    #[must_use]
    pub fn also_in<T: Into<EventType>>(self, event_types: impl IntoIterator<Item = T>) -> Self {
        Self { also_in: event_types.into_iter().map(Into::into).collect(), ..self }
    }

    /// The event types whose events have it, though filters cannot use it with them.
    pub(super) fn other_event_types(&self) -> &[EventType] {
        &self.also_in
    }

    /// Where events keep it.
    pub(super) fn places(&self) -> &[JsonPath] {
        &self.places
    }

    /// The values it may be compared with; `None` for any.
    pub fn values(&self) -> Option<&[Box<str>]> {
        self.values.as_deref()
    }

    /// The event type that must be the webhook's only one; `None` for any.
    #[must_use]
    pub(crate) fn sole_event_type(&self) -> Option<&EventType> {
        self.only_with.as_ref()
    }
}

/// A comparison that this crate can evaluate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Operator {
    /// `eq`: the attribute has exactly this value.
    Eq,
    /// `ne`: the attribute has another value or none.
    Ne,
}

impl Operator {
    /// All operators.
    pub const ALL: [Self; 2] = [Self::Eq, Self::Ne];

    /// The operator as the grammar knows it.
    #[must_use]
    pub fn compare_op(self) -> CompareOp {
        match self {
            Self::Eq => CompareOp::Eq,
            Self::Ne => CompareOp::Ne,
        }
    }
}

/// As it is written.
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
    /// A profile of these attributes with all operators and the default [`Limits`].
    ///
    /// Name the most selective attributes first: where a filter demands several at once, the
    /// matcher finds it by the first of them.
    ///
    /// # Errors
    ///
    /// A name that the grammar has no attribute path for, one with a schema URI, or what
    /// [`AttributePaths::new`] refuses.
    pub fn new(attributes: impl IntoIterator<Item = Attribute>) -> Result<Self, Diagnostic> {
        let attributes: Box<[Attribute]> = attributes.into_iter().collect();
        for attribute in &attributes {
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

    /// The profile of webhooks: `id`, `topLevelResourceId`, `spaceId`, and `data.status` for
    /// reload events; `eq` and `ne`; `and` and `or`.
    #[must_use]
    pub fn webhook() -> Self {
        WEBHOOK.clone()
    }

    /// The same profile with fewer operators.
    #[must_use]
    pub fn with_operators(&self, operators: impl IntoIterator<Item = Operator>) -> Self {
        let attributes = self.0.attributes.clone();
        let operators = operators.into_iter().collect();
        self.rebuilt(attributes, operators, self.0.limits)
    }

    /// The same profile with other limits for [`filter`](Self::filter).
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

    /// Parses and checks a filter, regardless of event types. A text without terms matches every
    /// event.
    ///
    /// # Errors
    ///
    /// The first syntax error, or else everything that the profile does not allow.
    pub fn filter(&self, text: &str) -> Result<Filter, Diagnostics> {
        self.parse(text, None)
    }

    /// Parses and checks a filter of a webhook with these event types, by the rules about them too.
    ///
    /// # Errors
    ///
    /// As [`filter`](Self::filter), and an attribute that the event types do not have.
    pub fn filter_for(&self, text: &str, event_types: &[EventType]) -> Result<Filter, Diagnostics> {
        self.parse(text, Some(event_types))
    }

    pub(crate) fn parse(
        &self,
        text: &str,
        event_types: Option<&[EventType]>,
    ) -> Result<Filter, Diagnostics> {
        if text.chars().all(is_space) {
            return Ok(Filter::everything(self));
        }
        match syntax::parse(text, self.0.limits) {
            Ok(tree) => check::check(self, tree.root(), event_types),
            Err(error) => {
                let error = suggest::explained(self, text, event_types, error);
                Err(Diagnostic::from(error).into())
            }
        }
    }

    /// Checks a parsed filter, regardless of event types.
    ///
    /// # Errors
    ///
    /// Everything that the profile does not allow, in the order of the text.
    pub fn check(&self, expr: &Expr) -> Result<Filter, Diagnostics> {
        check::check(self, expr.root(), None)
    }

    /// Reads an event by the places of this profile's attributes.
    ///
    /// # Errors
    ///
    /// As [`Event::read`].
    pub fn read_event<'a>(&'a self, bytes: &'a [u8]) -> Result<Event<'a>, event::Error> {
        Event::read(&self.0.paths, bytes)
    }

    /// The same, faster where events have [shapes](ShapeCache) of those that were read before.
    ///
    /// # Errors
    ///
    /// As [`Event::read`].
    pub fn read_event_with<'a>(
        &'a self,
        bytes: &'a [u8],
        shapes: &mut ShapeCache,
    ) -> Result<Event<'a>, event::Error> {
        Event::read_with(&self.0.paths, bytes, shapes)
    }

    /// The attributes, the most selective first.
    #[must_use]
    pub fn attributes(&self) -> &[Attribute] {
        &self.0.attributes
    }

    /// The operators.
    #[must_use]
    pub(crate) fn operators(&self) -> &[Operator] {
        &self.0.operators
    }

    /// Where events keep the attributes.
    #[must_use]
    pub fn attribute_paths(&self) -> &AttributePaths {
        &self.0.paths
    }

    pub(super) fn limits(&self) -> Limits {
        self.0.limits
    }

    pub(crate) fn attribute_name(&self, index: usize) -> &str {
        self.0.attributes.get(index).map_or("", |attribute| &attribute.name)
    }

    /// The attribute that a path names, letter case aside.
    pub(super) fn find(&self, path: AttrPath<'_>) -> Option<(usize, &Attribute)> {
        let index = self.0.paths.find(path.as_str())?;
        Some((index, self.0.attributes.get(index)?))
    }
}

impl PartialEq for Profile {
    fn eq(&self, other: &Self) -> bool {
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

/// The rows of the webhook profile: the table of filter attributes in the webhooks API reference
/// and the places of each in the three envelopes.
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
        Attribute::new(
            "topLevelResourceId",
            places(&[
                &["toplevelresourceid"],
                &["extensions", "topLevelResourceId"],
                &["extensions", "toplevelresourceid"],
            ]),
        )
        .with_aliases(["app id", "data.appId", "resource id"]),
        Attribute::new(
            "spaceId",
            places(&[
                &["spaceid"],
                &["extensions", "spaceId"],
                &["extensions", "spaceid"],
                &["data", "spaceId"],
                &["data", "attributes", "spaceId"],
                &["data", "dataTask", "spaceId"],
            ]),
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
