//! What the service needs of whoever sends: one attempt.

use hooksieve::delivery::{Request, Response};
use std::future::Future;
use std::pin::Pin;

/// The outcome of an attempt: the answer, or why there is none, for the record.
pub(crate) type Attempted<'a> = Pin<Box<dyn Future<Output = Result<Response, String>> + Send + 'a>>;

/// Sends one request once. It keeps its own time-outs: the answer always comes.
pub(crate) trait Attempt: Send + Sync + 'static {
    /// POSTs a request.
    fn post<'a>(&'a self, request: &'a Request) -> Attempted<'a>;
}
