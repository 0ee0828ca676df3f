//! Laws: properties that hold for every input, as functions over bytes.
//!
//! Property tests and fuzz targets call them. Each panics with the law that an input violates.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::string_slice,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code shared by several crates, none of which uses all of it"
)]

pub mod analysis;
pub mod cloud_events;
pub mod delivery;
pub mod echoes;
pub mod event;
pub mod history;
pub mod registry;
pub mod text;
pub mod webhook;
