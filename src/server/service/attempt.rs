//! One attempt: the service's view of the dispatcher, and how an attempt is made and recorded.
//!
//! The trait is here and not in the dispatcher, so that the dispatcher depends on the service's
//! needs and not the other way round. What the dispatcher sends, and what a user sends again or as a
//! test, goes through [`make`]: the same headers, checks and record.

use super::problem::Problem;
use super::rows;
use crate::server::ambient::Ambient;
use crate::server::store::contract::{self, Cause, DeliveryRow};
use hooksieve::delivery::{Delivery, MessageId, Request, Response};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// The response, or the reason why there is none, for the record.
pub(crate) type Outcome = Result<Response, String>;

/// The outcome of an attempt.
pub(crate) type Attempted<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// Sends requests. Each attempt completes within the sender's own time limits.
pub(crate) trait Attempt: Send + Sync + 'static {
    /// Sends a request once.
    fn post<'a>(&'a self, request: &'a Request) -> Attempted<'a>;
}

/// What an attempt is for.
#[derive(Clone, Debug)]
pub(crate) struct Purpose {
    /// The id that the receiver gets, the same for every attempt of a message.
    pub(crate) message: MessageId,
    /// Whether the message has an event in the store.
    pub(crate) has_event: bool,
    /// The number of the attempt, counted from 1.
    pub(crate) number: u32,
    /// Why it is made.
    pub(crate) cause: Cause,
}

/// An attempt that was made.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    /// The record.
    pub(crate) delivery: Delivery,
    /// The row of the record.
    pub(crate) row: DeliveryRow,
    /// The outcome.
    pub(crate) outcome: Outcome,
}

/// Returns whether a receiver says that it will never accept another message.
pub(crate) fn is_gone(outcome: &Outcome) -> bool {
    outcome.as_ref().is_ok_and(|response| response.status.as_u16() == 410)
}

/// Sends a request once, and records the outcome, which may be a failure.
///
/// # Errors
///
/// Returns an error if the machine provides no random bytes; then nothing was sent.
pub(crate) async fn make(
    sender: &dyn Attempt,
    ambient: &Ambient,
    request: Request,
    purpose: Purpose,
) -> Result<Made, Problem> {
    // Before the request is sent, so that an attempt without a record cannot happen for want of an
    // id, and so that the record shows when the attempt began.
    let (id, at, began) = (ambient.id()?, ambient.now(), ambient.since_start());
    let request = request.with_standard_headers(&purpose.message, at);
    // A request without its secret would be refused by the receiver, or accepted unsigned.
    let outcome = match request.has_redacted_secrets() {
        true => {
            Err("not sent: the webhook's secret or encrypted headers are unknown; set them again"
                .to_owned())
        }
        false => sender.post(&request).await,
    };
    let took = ambient.since_start().saturating_sub(began);
    let delivery = Delivery::new(id, &request, at, outcome.as_ref().map_err(String::as_str));
    let attempt = contract::Attempt {
        message: purpose.has_event.then_some(purpose.message),
        number: purpose.number,
        // The precision of the store.
        duration: Duration::from_millis(u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
        cause: purpose.cause,
    };
    let row = rows::of_delivery(&delivery, attempt)?;
    Ok(Made { delivery, row, outcome })
}
