//! Checks without a result but the report: of a document, and of a filter.

use super::check::{Basis, check};
use super::{Rules, WebhookDocument};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::event::EventType;
use serde::{Serialize, Serializer};

impl Rules {
    /// Checks a new document or a response, and returns all errors and warnings.
    ///
    /// Members that only the server sets are checked as well. They belong in a response, so the
    /// report [lists](Report::server_members) them without a warning.
    ///
    /// ```
    /// use hooksieve::webhook::{WebhookDocument, Rules};
    ///
    /// let document = WebhookDocument::read(
    ///     br#"{"name": "n", "url": "https://hooks.example.com/", "enabled": true, "fliter": ""}"#,
    /// )?;
    /// let warnings = Rules::default().check(&document).into_result()?;
    /// let warnings: Vec<_> = warnings.iter().map(|warning| warning.to_string()).collect();
    /// assert_eq!(warnings, [
    ///     "unknown member `fliter` is ignored",
    ///     "a webhook without event types never fires",
    /// ]);
    /// # Ok::<(), hooksieve::diagnostic::Diagnostics>(())
    /// ```
    #[must_use]
    pub fn check(&self, document: &WebhookDocument) -> Report {
        let basis = Basis::Document { id_required: false, warns: true };
        let outcome = check(self, &document.0, &basis);
        let warnings = outcome.warnings.into_warnings();
        let errors = (!outcome.found.is_empty()).then(|| outcome.found.into_diagnostics());
        Report { errors, warnings, server_members: outcome.server_members }
    }

    /// Checks a filter of a webhook with these event types; `None` if they are unknown.
    ///
    /// The errors are those of [`filter`](Self::filter), the warnings those of
    /// [`Filter::warnings`](crate::filter::Filter::warnings).
    ///
    /// ```
    /// use hooksieve::webhook::Rules;
    ///
    /// let rules = Rules::default();
    /// let report = rules.check_filter(r#"ID  EQ "a*""#, None);
    /// assert_eq!(report.canonical.as_deref(), Ok(r#"id eq "a*""#));
    /// assert_eq!(report.warnings[0].code(), "value-wildcard");
    ///
    /// let report = serde_json::to_value(rules.check_filter(r#"id = "a""#, None))?;
    /// assert_eq!(report["valid"], false);
    /// assert_eq!(report["errors"][0]["suggestion"], r#"id eq "a""#);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn check_filter(&self, text: &str, event_types: Option<&[EventType]>) -> FilterReport {
        match self.filter(text, event_types) {
            Ok(filter) => {
                let types = event_types.unwrap_or_default();
                let lacks = |name: &str| self.catalogue.lacks(types, name);
                let warnings = filter.warnings(text, lacks);
                FilterReport { canonical: Ok(filter.to_string()), warnings }
            }
            Err(errors) => FilterReport { canonical: Err(errors), warnings: Vec::new() },
        }
    }
}

/// The result of [`Rules::check`].
///
/// `Serialize` writes an object with the members `valid`, `errors`, `warnings` and `serverMembers`;
/// later versions may add some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    errors: Option<Diagnostics>,
    warnings: Vec<Diagnostic>,
    server_members: Vec<&'static str>,
}

impl Report {
    /// Returns the errors that are listed; none for a valid document.
    #[must_use]
    pub fn errors(&self) -> &[Diagnostic] {
        self.errors.as_ref().map(Diagnostics::as_slice).unwrap_or_default()
    }

    /// Returns the number of errors, including those that are not listed.
    #[must_use]
    pub fn error_count(&self) -> usize {
        self.errors.as_ref().map_or(0, Diagnostics::count)
    }

    /// Returns the warnings.
    #[must_use]
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// Returns the document's members that only the server sets, in document order.
    ///
    /// In a request to create or replace a webhook, they cause one warning.
    #[must_use]
    pub fn server_members(&self) -> &[&'static str] {
        &self.server_members
    }

    /// Returns the warnings of a valid document.
    ///
    /// # Errors
    ///
    /// All errors of an invalid one.
    pub fn into_result(self) -> Result<Vec<Diagnostic>, Diagnostics> {
        self.errors.map_or(Ok(self.warnings), Err)
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Members<'r> {
            valid: bool,
            errors: &'r [Diagnostic],
            warnings: &'r [Diagnostic],
            server_members: &'r [&'static str],
        }
        let Self { errors: found, warnings, server_members } = self;
        let (valid, errors) = (found.is_none(), self.errors());
        Members { valid, errors, warnings, server_members }.serialize(serializer)
    }
}

/// The result of [`Rules::check_filter`], for people and programs.
///
/// `Serialize` writes an object with the members `valid`, `canonical` (null if there are errors),
/// `errors` and `warnings`; later versions may add some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterReport {
    /// The canonical form of a valid filter, or its errors.
    ///
    /// It is empty for the filter that matches everything.
    pub canonical: Result<String, Diagnostics>,
    /// The warnings about a valid filter.
    pub warnings: Vec<Diagnostic>,
}

impl Serialize for FilterReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Members<'r> {
            valid: bool,
            canonical: Option<&'r str>,
            errors: &'r [Diagnostic],
            warnings: &'r [Diagnostic],
        }
        let (canonical, errors) = match &self.canonical {
            Ok(canonical) => (Some(&**canonical), [].as_slice()),
            Err(errors) => (None, errors.as_slice()),
        };
        let (valid, warnings) = (canonical.is_some(), &*self.warnings);
        Members { valid, canonical, errors, warnings }.serialize(serializer)
    }
}
