//! The rules for webhooks, and the report of a check.

use super::check::{Basis, check};
use super::{Catalogue, WebhookDocument, check_address};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::event::EventType;
use crate::filter::{Attribute, Profile};
use std::net::IpAddr;

/// The rules for webhooks: a filter profile, a catalogue of event types, and development mode.
///
/// The default rules are those of the webhooks API: [`Profile::webhook`], [`Catalogue::builtin`],
/// and no development mode.
/// Cloning copies no data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    pub(super) profile: Profile,
    pub(super) catalogue: Catalogue,
    pub(super) development: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self::new(Profile::webhook(), Catalogue::builtin())
    }
}

impl Rules {
    /// Creates rules from a profile and a catalogue.
    #[must_use]
    pub fn new(profile: Profile, catalogue: Catalogue) -> Self {
        Self { profile, catalogue, development: false }
    }

    /// Returns the rules with another catalogue.
    #[must_use]
    pub fn with_catalogue(self, catalogue: Catalogue) -> Self {
        Self { catalogue, ..self }
    }

    /// Returns the rules with another filter profile.
    #[must_use]
    pub fn with_profile(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }

    /// Returns the rules with development mode on or off; by default it is off.
    ///
    /// In development mode a target may also use `http`. Its host may also be `localhost`, a name
    /// under it, or a loopback address in its canonical spelling (`127.0.0.1`, `[::1]`).
    /// [`check_address`](Self::check_address) then allows loopback addresses. Do not use this mode
    /// in production: tenants could reach the server's own machine.
    ///
    /// ```
    /// use hooksieve::webhook::{WebhookDocument, Rules};
    ///
    /// let document = br#"{"name": "n", "url": "http://localhost:8080/hook"}"#;
    /// let document = WebhookDocument::read(document)?;
    /// let rules = Rules::default();
    /// assert_eq!(rules.check(&document).error_count(), 2);
    /// assert_eq!(rules.with_development(true).check(&document).error_count(), 0);
    /// # Ok::<(), hooksieve::diagnostic::Diagnostics>(())
    /// ```
    #[must_use]
    pub fn with_development(self, development: bool) -> Self {
        Self { development, ..self }
    }

    /// Returns whether development mode is on.
    #[must_use]
    pub fn is_development(&self) -> bool {
        self.development
    }

    /// Checks that a webhook may reach an address, like [`check_address`].
    ///
    /// In [development mode](Self::with_development), loopback addresses (127.0.0.0/8, `::1`) are
    /// allowed as well.
    ///
    /// # Errors
    ///
    /// A forbidden address; the message names its block.
    pub fn check_address(&self, address: IpAddr) -> Result<(), Diagnostic> {
        if self.development && address.is_loopback() { Ok(()) } else { check_address(address) }
    }

    /// Returns the filter profile.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Returns the catalogue of event types.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Returns an event type under the name that the profile uses for it, if it was renamed.
    pub(crate) fn as_in_profile(&self, event_type: &EventType) -> EventType {
        // An unknown type has one name, its own.
        let Some(known) = self.catalogue.find(event_type.as_str()) else {
            return event_type.clone();
        };
        let used = |name: &&str| {
            let soles = self.profile.attributes().iter().filter_map(Attribute::sole_event_type);
            soles.into_iter().any(|sole| sole.as_str() == *name)
        };
        // The profile uses one of the two names, and a webhook may use either. Compared under one
        // name, a rule for that type holds for both.
        let newer = known.newer_name().filter(used);
        EventType::from(newer.unwrap_or(known.name()))
    }

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
}

/// The result of [`Rules::check`].
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
