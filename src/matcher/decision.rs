//! Why one subscription matches one event or not: the verdict, with the explanation of the filter.
//!
//! The verdict comes from the conditions of [`Subscription::verdict`], in the same order. Only the
//! last one differs: the filter is explained instead of matched, so it is evaluated once.

use crate::event::Event;
use crate::filter::analysis::{Change, Justification};
use crate::filter::{Explanation, Hint, Step};
use crate::matcher::{Access, Subscription, Verdict};
use serde::{Serialize, Serializer};

/// Why a subscription matches an event or not.
///
/// [`Subscription::explain`] returns it.
///
/// # JSON
///
/// `Serialize` writes an object with these members; later versions may add some. It calls
/// [`Explanation::why`], so it takes up to [`WORK`](crate::filter::analysis::WORK) steps.
///
/// | member | what it is |
/// | --- | --- |
/// | `matched` | whether the subscription matches |
/// | `reason` | [`Verdict::as_str`] |
/// | `filter` | [`Explanation::steps`] |
/// | `because` | [`Justification::reason`] |
/// | `change` | [`Justification::change`] |
/// | `exact` | [`Justification::exact`] |
/// | `hints` | [`Explanation::hints`], left out if there are none |
///
/// `filter`, `because`, `change` and `exact` are null if the filter was not evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decision<'a> {
    /// Whether the subscription matches; if not, the first reason.
    pub verdict: Verdict,
    /// How the filter decided.
    ///
    /// `None` if it was not evaluated: the verdict is neither [`Verdict::Matched`] nor
    /// [`Verdict::FilterFalse`].
    pub explanation: Option<Explanation<'a>>,
}

impl Subscription {
    /// Returns the verdict on an event, as [`verdict`](Self::verdict) does, and explains it.
    ///
    /// Costs far more than the verdict if the filter is evaluated, see
    /// [`Filter::explain`](crate::filter::Filter::explain).
    ///
    /// ```
    /// use hooksieve::filter::Profile;
    /// use hooksieve::matcher::{Access, Subscription, Verdict};
    ///
    /// let profile = Profile::webhook();
    /// let subscription = Subscription::new("t1", ["a"], profile.filter(r#"id eq "1""#)?);
    /// let event = profile.read_event(br#"{"type": "a", "tenantid": "t1", "data": {"id": "2"}}"#)?;
    /// let decision = subscription.explain(&event, Access::EventOwner);
    /// assert_eq!(decision.verdict, Verdict::FilterFalse);
    /// let json = serde_json::to_value(&decision)?;
    /// assert_eq!(json["reason"], "filter");
    /// assert_eq!(json["change"][0]["to"], "1");
    ///
    /// let event = profile.read_event(br#"{"type": "b", "tenantid": "t1", "data": {"id": "1"}}"#)?;
    /// let decision = subscription.explain(&event, Access::EventOwner);
    /// assert_eq!(decision.verdict, Verdict::OtherEventType);
    /// assert_eq!(decision.explanation, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn explain<'a>(&'a self, event: &'a Event<'_>, access: Access<'_>) -> Decision<'a> {
        let mut explanation = None;
        let verdict =
            self.decide(event, access, || explanation.insert(self.filter().explain(event)).holds());
        Decision { verdict, explanation }
    }
}

impl Serialize for Decision<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Members<'d> {
            matched: bool,
            reason: Verdict,
            filter: Option<&'d [Step<'d>]>,
            because: Option<Vec<usize>>,
            change: Option<Vec<Change<'d>>>,
            exact: Option<bool>,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            hints: &'d [Hint<'d>],
        }
        let explanation = self.explanation.as_ref();
        let (because, change, exact) = match explanation.map(Explanation::why) {
            Some(Justification { reason, change, exact }) => (Some(reason), change, Some(exact)),
            None => (None, None, None),
        };
        let members = Members {
            matched: self.verdict == Verdict::Matched,
            reason: self.verdict,
            filter: explanation.map(Explanation::steps),
            because,
            change,
            exact,
            hints: explanation.map_or(&[], Explanation::hints),
        };
        members.serialize(serializer)
    }
}
