//! A SCIM filter engine and delivery-matching core for webhook dispatch servers.
//!
//! A tenant's users register webhooks: "when events of these types happen and this filter holds,
//! POST them to my URL". This crate refuses a bad filter or webhook with errors its author can act
//! on, and finds, for every event, exactly the webhooks that want it.
//!
//! ```text
//! text ──parse──▶ Expr ──check(Profile)──▶ Filter ──insert──▶ Matcher ──matches(Event)──▶ slots ──▶ Requests
//!      syntax            filter                     matcher                      registry      delivery
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
//! Data runs left to right: an [`Expr`](syntax::Expr) is well formed, a [`Filter`](filter::Filter)
//! is meaningful for its [`Profile`](filter::Profile), and the [`Matcher`](matcher::Matcher)
//! answers what [`Filter::matches`](filter::Filter::matches) would; a
//! [`Webhook`](webhook::Webhook) is deliverable, and each change of it checked as a whole; so making
//! a [`Request`](delivery::Request) cannot fail. A dispatch server embeds a
//! [`Registry`](registry::Registry), which keeps the webhooks and matchers of many tenants in step
//! for many threads, and goes from an event's bytes to signed requests. Nothing here has a clock, opens a file or a connection,
//! or starts a thread; no input makes it panic. The long form is in the [`guide`].

pub mod delivery;
pub mod diagnostic;
pub mod event;
pub mod filter;
pub mod matcher;
pub mod registry;
pub mod syntax;
pub mod webhook;

pub mod guide {
    //! The language, how matching works and what it costs, and why things are as they are.

    #[doc = include_str!("guide/language.md")]
    pub mod language {}
    #[doc = include_str!("guide/conformance.md")]
    pub mod conformance {}
    #[doc = include_str!("guide/analysis.md")]
    pub mod analysis {}
    #[doc = include_str!("guide/why.md")]
    pub mod why {}
    #[doc = include_str!("guide/matching.md")]
    pub mod matching {}
    #[doc = include_str!("guide/registry.md")]
    pub mod registry {}
    #[doc = include_str!("guide/webhooks.md")]
    pub mod webhooks {}
    #[doc = include_str!("guide/delivery.md")]
    ///
    /// ```text
    #[doc = include_str!("../tests/server/dispatch.rs")]
    /// ```
    pub mod delivery {}
    #[doc = include_str!("guide/hardening.md")]
    pub mod hardening {}
    #[doc = include_str!("guide/decisions.md")]
    pub mod decisions {}
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
