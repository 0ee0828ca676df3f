//! Sends requests to receivers: one attempt at a time, see [`attempt`].

pub(crate) mod attempt;
#[cfg(test)]
mod tests;
