//! The server as a program: started as a child process and asked over HTTP. Every answer is held to
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
mod description;
mod hostile;
mod keys;
mod layers;
mod limits;
mod matrix;
mod operations;
mod process;
mod races;
mod restart;
mod secrets;

/// Where the webhooks are.
const HOOKS: &str = "/api/v1/webhooks";
