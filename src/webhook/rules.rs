//! The rules for webhooks.

use super::{Catalogue, check_address};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::event::EventType;
use crate::filter::{Attribute, Filter, Profile};
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

    /// Parses and checks the filter of a webhook with these event types; `None` if they are unknown.
    ///
    /// An event type that was renamed counts as the type under the other name. Without event types,
    /// the rules about them are not checked.
    ///
    /// ```
    /// use hooksieve::event::EventType;
    /// use hooksieve::webhook::Rules;
    ///
    /// let rules = Rules::default();
    /// let text = r#"data.status eq "error""#;
    /// assert!(rules.filter(text, None).is_ok());
    /// let types = [EventType::from("com.qlik.v1.app.created")];
    /// assert!(rules.filter(text, Some(&types)).is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Profile::filter`], or with event types those of [`Profile::filter_for`].
    pub fn filter(
        &self,
        text: &str,
        event_types: Option<&[EventType]>,
    ) -> Result<Filter, Diagnostics> {
        let types: Option<Vec<_>> =
            event_types.map(|types| types.iter().map(|name| self.as_in_profile(name)).collect());
        self.profile.parse(text, types.as_deref())
    }

    /// Returns an event type under the name that the profile uses for it, if it was renamed.
    fn as_in_profile(&self, event_type: &EventType) -> EventType {
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
}
