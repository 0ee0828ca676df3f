//! The service's view of the dispatcher: one attempt.
//!
//! The trait is here and not in the dispatcher, so that the dispatcher depends on the service's
//! needs and not the other way round.

use hooksieve::delivery::{Request, Response};
use std::future::Future;
use std::pin::Pin;

/// The outcome of an attempt: the response, or the reason why there is none, for the record.
pub(crate) type Attempted<'a> = Pin<Box<dyn Future<Output = Result<Response, String>> + Send + 'a>>;

/// Sends requests. Each attempt completes within the sender's own time limits.
pub(crate) trait Attempt: Send + Sync + 'static {
    /// Sends a request once.
    fn post<'a>(&'a self, request: &'a Request) -> Attempted<'a>;
}
