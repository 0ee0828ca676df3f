//! Tests of the server as a child process over HTTP. Every response is checked against
//! `/openapi.json`.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod actions;
mod client;
mod clients;
mod configuration;
mod crash;
mod description;
mod events;
mod hostile;
mod keys;
mod layers;
mod limits;
mod listen;
mod matrix;
mod operations;
mod process;
mod races;
mod receiver;
mod restart;
mod secrets;
mod store;

/// The path of the webhooks.
const HOOKS: &str = "/api/v1/webhooks";
