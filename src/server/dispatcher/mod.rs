//! Sending: one attempt at a time, by way of [`attempt`].

pub(crate) mod attempt;
#[cfg(test)]
mod tests;
