//! What webhooks may have, and what a check of a document found.

use super::check::{Basis, check};
use super::{Catalogue, WebhookDocument, check_address};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::event::EventType;
use crate::filter::{Attribute, Profile};
use std::net::IpAddr;

/// What webhooks may have: the profile of their filters, the event types, and the targets. Cheap to
/// clone.
///
/// The default is that of the webhooks API: [`Profile::webhook`] and [`Catalogue::builtin`].
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
    /// Rules of a profile and a catalogue.
    #[must_use]
    pub fn new(profile: Profile, catalogue: Catalogue) -> Self {
        Self { profile, catalogue, development: false }
    }

    /// The same rules with other event types.
    #[must_use]
    pub fn with_catalogue(self, catalogue: Catalogue) -> Self {
        Self { catalogue, ..self }
    }

    /// The same rules with another profile of filters.
    #[must_use]
    pub fn with_profile(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }

    /// The same rules in or out of the development mode, which is off by default.
    ///
    /// In development a target may also use `http`, and its host may also be `localhost`, a name
    /// under it, or a loopback address in its canonical spelling (`127.0.0.1`, `[::1]`). Nothing
    /// else changes. A production server must not use this mode: its tenants could reach the
    /// server's own machine.
    ///
    /// ```
    /// use hooksieve::webhook::{WebhookDocument, Rules};
    ///
    /// let draft = WebhookDocument::read(br#"{"name": "n", "url": "http://localhost:8080/hook"}"#)?;
    /// let rules = Rules::default();
    /// assert_eq!(rules.check(&draft).error_count(), 2);
    /// assert_eq!(rules.with_development(true).check(&draft).error_count(), 0);
    /// # Ok::<(), hooksieve::diagnostic::Diagnostics>(())
    /// ```
    #[must_use]
    pub fn with_development(self, development: bool) -> Self {
        Self { development, ..self }
    }

    /// Whether these are rules for development.
    #[must_use]
    pub fn is_development(&self) -> bool {
        self.development
    }

    /// Whether a webhook may reach an address: as [`check_address`], and in
    /// [development](Self::with_development) also a loopback address (127.0.0.0/8, `::1`).
    ///
    /// # Errors
    ///
    /// The block that keeps it from being reached.
    pub fn check_address(&self, address: IpAddr) -> Result<(), Diagnostic> {
        if self.development && address.is_loopback() { Ok(()) } else { check_address(address) }
    }

    /// What filters may say.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The event types.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// An event type by the name that a rule of the profile uses for it.
    pub(crate) fn as_in_profile(&self, event_type: &EventType) -> EventType {
        let Some(known) = self.catalogue.find(event_type.as_str()) else {
            return event_type.clone();
        };
        let used = |name: &&str| {
            let soles = self.profile.attributes().iter().filter_map(Attribute::sole_event_type);
            soles.into_iter().any(|sole| sole.as_str() == *name)
        };
        let newer = known.newer_name().filter(used);
        EventType::from(newer.unwrap_or(known.name()))
    }

    /// Checks a draft or a response: everything that is wrong with it, and what deserves a warning,
    /// such as an unknown member or no event types.
    ///
    /// Members that the server sets are read and checked, too; a response has them by right, so they
    /// are [listed](Report::server_members) without a warning.
    ///
    /// ```
    /// use hooksieve::webhook::{WebhookDocument, Rules};
    ///
    /// let draft = WebhookDocument::read(
    ///     br#"{"name": "n", "url": "https://hooks.example.com/", "enabled": true, "fliter": ""}"#,
    /// )?;
    /// let warnings = Rules::default().check(&draft).into_result()?;
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

/// What [`Rules::check`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    errors: Option<Diagnostics>,
    warnings: Vec<Diagnostic>,
    server_members: Vec<&'static str>,
}

impl Report {
    /// What is wrong; nothing in a valid document.
    #[must_use]
    pub fn errors(&self) -> &[Diagnostic] {
        self.errors.as_ref().map(Diagnostics::as_slice).unwrap_or_default()
    }

    /// How many errors there are, those that are not listed included.
    #[must_use]
    pub fn error_count(&self) -> usize {
        self.errors.as_ref().map_or(0, Diagnostics::count)
    }

    /// What is valid and probably unintended.
    #[must_use]
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// The members that the server sets, as far as the document has them, in its order. A request
    /// to create or replace a webhook that has them gets one warning.
    #[must_use]
    pub fn server_members(&self) -> &[&'static str] {
        &self.server_members
    }

    /// The warnings, if nothing is wrong.
    ///
    /// # Errors
    ///
    /// What is wrong.
    pub fn into_result(self) -> Result<Vec<Diagnostic>, Diagnostics> {
        self.errors.map_or(Ok(self.warnings), Err)
    }
}
