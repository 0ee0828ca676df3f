//! Sends requests to receivers: one attempt at a time, see [`attempt`].
//!
//! Whether, when and how often something is sent is not decided here. The service calls this part
//! through its trait `Attempt`, so that it depends on no network, and tests send without sockets.

pub(crate) mod attempt;
#[cfg(test)]
mod tests;
