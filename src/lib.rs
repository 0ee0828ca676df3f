//! Parses SCIM filters and finds the webhooks that match an event, for webhook dispatch servers.
//!
//! Users of a tenant register webhooks: "when an event of these types occurs and this filter
//! matches it, POST it to my URL". This crate checks filters and webhooks, and reports each error
//! with a way to fix it. For each event, it finds exactly the webhooks that match.
//!
//! ```text
//! text ──parse──▶ Expr ──check(Profile)──▶ Filter ──insert(Subscription)──▶ Matcher ──matches(Event)──▶ slots ──▶ Requests
//!      syntax            filter                     matcher                                    registry      delivery
//! ```
//!
//! ```
//! use hooksieve::filter::Profile;
//! use hooksieve::matcher::{Access, Matcher, Scratch, Subscription};
//!
//! let profile = Profile::webhook();
//! let mut matcher = Matcher::new(&profile);
//! let filter = profile.filter(r#"id eq "a1" or spaceId eq "s1""#)?;
//! let slot = matcher.insert(&Subscription::new("t1", ["com.qlik.v1.app.created"], filter))?;
//!
//! let bytes = br#"{"type": "com.qlik.v1.app.created", "tenantid": "t1", "data": {"id": "a1"}}"#;
//! let event = profile.read_event(bytes)?;
//! let mut scratch = Scratch::default();
//! assert!(matcher.matches(&event, Access::EventOwner, &mut scratch).eq([slot]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Data flows from left to right, and each value is valid by construction:
//!
//! - An [`Expr`](syntax::Expr) is well formed.
//! - A [`Filter`](filter::Filter) is allowed by its [`Profile`](filter::Profile).
//! - A [`Matcher`](matcher::Matcher) returns the [slots](matcher::Slot) of exactly the
//!   subscriptions for which [`Subscription::matches`](matcher::Subscription::matches) is true.
//! - A [`Webhook`](webhook::Webhook) is checked as a whole when it is created or changed, so
//!   building a [`Request`](delivery::Request) for it cannot fail.
//!
//! A dispatch server embeds a [`Registry`](registry::Registry). It holds the webhooks and matchers
//! of many tenants, is shared between threads, and turns the bytes of an event into signed
//! requests.
//!
//! The crate reads no clock, opens no file or connection and starts no thread. No input makes it
//! panic. The [`guide`] explains the language, the costs, and how a server embeds the crate.

pub mod delivery;
pub mod diagnostic;
pub mod event;
pub mod filter;
pub mod matcher;
pub mod registry;
pub mod syntax;
pub mod webhook;

/// Declares a page of the guide as a module.
///
/// A page links to another one by a label, such as `[how matching works][matching]`, and defines the
/// label as a file, which is what a reader of the file needs. Of several definitions Markdown uses
/// the first, so those before the text of the page make the same links lead to modules here.
macro_rules! page {
    ($(#[$after:meta])* $name:ident, $file:literal) => {
        #[doc = "[analysis]: crate::guide::analysis"]
        #[doc = "[conformance]: crate::guide::conformance"]
        #[doc = "[decisions]: crate::guide::decisions"]
        #[doc = "[delivery]: crate::guide::delivery"]
        #[doc = "[embedding]: crate::guide::embedding"]
        #[doc = "[hardening]: crate::guide::hardening"]
        #[doc = "[json]: crate::guide::program#json-output"]
        #[doc = "[language]: crate::guide::language"]
        #[doc = "[matching]: crate::guide::matching"]
        #[doc = "[persistence]: crate::guide::persistence"]
        #[doc = "[picture]: data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="]
        #[doc = "[program]: crate::guide::program"]
        #[doc = "[registry]: crate::guide::registry"]
        #[doc = "[serve]: crate::guide::server"]
        #[doc = "[server]: #the-whole-server"]
        #[doc = "[warnings]: crate::guide::analysis#warnings"]
        #[doc = "[webhooks]: crate::guide::webhooks"]
        #[doc = "[why]: crate::guide::why"]
        #[doc = ""]
        #[doc = include_str!($file)]
        $(#[$after])*
        pub mod $name {}
    };
}

/// The guide: the filter language, the cost of matching, and how to embed the crate.
///
#[doc = "[analysis]: crate::guide::analysis"]
#[doc = "[conformance]: crate::guide::conformance"]
#[doc = "[decisions]: crate::guide::decisions"]
#[doc = "[delivery]: crate::guide::delivery"]
#[doc = "[embedding]: crate::guide::embedding"]
#[doc = "[hardening]: crate::guide::hardening"]
#[doc = "[language]: crate::guide::language"]
#[doc = "[matching]: crate::guide::matching"]
#[doc = "[persistence]: crate::guide::persistence"]
#[doc = "[program]: crate::guide::program"]
#[doc = "[registry]: crate::guide::registry"]
#[doc = "[serve]: crate::guide::server"]
#[doc = "[webhooks]: crate::guide::webhooks"]
#[doc = "[why]: crate::guide::why"]
#[doc = ""]
#[doc = include_str!("guide/README.md")]
pub mod guide {
    page!(
        /// ```text
        #[doc = include_str!("../tests/server/dispatch.rs")]
        /// ```
        embedding,
        "guide/embedding.md"
    );
    page!(language, "guide/language.md");
    page!(webhooks, "guide/webhooks.md");
    page!(delivery, "guide/delivery.md");
    page!(registry, "guide/registry.md");
    page!(persistence, "guide/persistence.md");
    page!(program, "guide/program.md");
    page!(server, "guide/server.md");
    page!(why, "guide/why.md");
    page!(analysis, "guide/analysis.md");
    page!(
        // The documentation has no folder for the file, so the picture is part of the page, after
        // the label's transparent pixel.
        #[doc = concat!("<p><img alt='' src='data:image/svg+xml,", include_str!("guide/matching.svg"), "'></p>")]
        matching,
        "guide/matching.md"
    );
    page!(hardening, "guide/hardening.md");
    page!(conformance, "guide/conformance.md");
    page!(decisions, "guide/decisions.md");
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
