//! The integration tests, in one binary: tests by module, laws shared with the fuzz targets,
//! helpers.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod abnf;
mod analysis;
mod bounds;
mod catalogue;
mod change;
#[cfg(feature = "cli")]
mod cli;
mod conformance;
mod conversion;
mod corpus;
mod cost;
mod delivery;
mod engines;
mod errors;
mod event;
mod filter;
mod floors;
mod guide;
mod hints;
mod hostile;
mod index;
mod laws;
mod list;
mod lookup;
mod matcher;
mod messages;
#[cfg(feature = "cli")]
mod program;
mod properties;
mod registry;
mod shapes;
mod suggestions;
mod syntax;
mod target;
mod warnings;
mod webhook;
