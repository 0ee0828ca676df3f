//! A real dispatch server, written with the public API alone, over HTTP on loopback: its API, and
//! the proof that every event reaches exactly the webhooks that want it while they change.
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
use net::Asker;
use receiver::Notes;
use std::sync::Arc;

const HOOKS: &str = "/api/v1/webhooks";

/// A server with its receivers.
struct Stage {
    server: Arc<Dispatch>,
    api: Asker,
    intake: Asker,
    notes: Arc<Notes>,
}

async fn stage(notes: Notes) -> Stage {
    let notes = Arc::new(notes);
    let receivers = receiver::receivers(events::RECEIVERS, &notes).await;
    let server = Dispatch::new(events::TENANTS, net::outgoing(receivers)).unwrap();
    let api = Asker::new(net::serve(server.api()).await);
    let intake = Asker::new(net::serve(server.intake()).await);
    Stage { server, api, intake, notes }
}
