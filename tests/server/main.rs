//! A small dispatch server that uses only the public API, tested over HTTP on loopback.
//!
//! `api` tests the webhooks API. `proof` shows that every event reaches exactly the webhooks that
//! match it, while webhooks change.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod api;
mod dispatch;
mod events;
mod net;
mod proof;
mod receiver;
mod reference;
mod traffic;

use dispatch::Dispatch;
use net::HttpClient;
use receiver::Notes;
use std::sync::Arc;

const HOOKS: &str = "/api/v1/webhooks";

/// A running server with its receivers.
struct Stage {
    server: Arc<Dispatch>,
    api: HttpClient,
    intake: HttpClient,
    notes: Arc<Notes>,
}

async fn stage(notes: Notes) -> Stage {
    let notes = Arc::new(notes);
    let receivers = receiver::receivers(events::RECEIVERS, &notes).await;
    let server = Dispatch::new(events::TENANTS, net::outgoing(receivers)).unwrap();
    let api = HttpClient::new(net::serve(server.api()).await);
    let intake = HttpClient::new(net::serve(server.intake()).await);
    Stage { server, api, intake, notes }
}
