//! What the server is compared with: as little as possible around the same work.

use crate::load::{self, EVENTS};
use crate::program::Folder;
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use hooksieve::delivery::{MessageId, Payload, RequestBuilder};
use hooksieve::webhook::{NewWebhook, Rules, Webhook, WebhookDocument};
use http_body_util::{BodyExt, Full};
use hyper::StatusCode;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use rusqlite::{Connection, params};
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::{Instant, SystemTime};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// An event to commit, and who waits for it.
type Waiting = (Bytes, oneshot::Sender<()>);

/// Starts a handler that commits each event to the tables of a store, and then answers 202.
///
/// As the server, it has one thread that writes, which commits everything that waits at once. It
/// writes the rows of an event that no webhook wants.
pub async fn intake(folder: &Folder) -> SocketAddr {
    let (give, take) = mpsc::channel();
    let path = folder.path("data/hooksieve.db");
    std::thread::spawn(move || commit(&Connection::open(path).expect("a store"), &take));
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = socket.local_addr().expect("it is bound");
    let router = Router::new().route(EVENTS, post(accept)).with_state(give);
    tokio::spawn(async { axum::serve(socket, router).await });
    address
}

async fn accept(State(give): State<mpsc::Sender<Waiting>>, body: Bytes) -> StatusCode {
    let (done, committed) = oneshot::channel();
    give.send((body, done)).expect("the writer runs");
    committed.await.expect("the writer runs");
    StatusCode::ACCEPTED
}

fn commit(connection: &Connection, take: &mpsc::Receiver<Waiting>) {
    let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;";
    connection.execute_batch(pragmas).expect("a store");
    let tenant: i64 = connection
        .query_row("SELECT key FROM tenant", [], |row| row.get(0))
        .expect("the store has a tenant");
    let mut number: u64 = 0;
    while let Ok(first) = take.recv() {
        let transaction = connection.unchecked_transaction().expect("no other one is open");
        let mut done = Vec::new();
        for (body, waits) in [first].into_iter().chain(take.try_iter()) {
            number += 1;
            insert(&transaction, tenant, number, &body);
            done.push(waits);
        }
        transaction.commit().expect("the disk is not full");
        for waits in done {
            // A client may be gone.
            let _ = waits.send(());
        }
    }
}

fn insert(connection: &Connection, tenant: i64, number: u64, body: &[u8]) {
    let nanos = SystemTime::UNIX_EPOCH.elapsed().expect("it is after 1970").as_nanos() as i64;
    let id = format!("b{number:08}");
    let event = "INSERT INTO event \
        (tenant, id, event_type, source, received_at, revision, wanted, holds, body) \
        VALUES (?, ?, ?, 'com.qlik/bench', ?, 1, 0, 0, ?)";
    let mut event = connection.prepare_cached(event).expect("the tables of a store");
    event.execute(params![tenant, id, load::TYPE, nanos, body]).expect("a new id");
    let seq = connection.last_insert_rowid();
    let key = "INSERT INTO event_key (event, tenant, key, id, received_at) VALUES (?, ?, ?, ?, ?)";
    let mut key = connection.prepare_cached(key).expect("the tables of a store");
    // As random as the digest that the server computes.
    let digest = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes().repeat(4);
    key.execute(params![seq, tenant, digest, id, nanos]).expect("a new key");
}

/// Posts `count` signed requests over some connections, as fast as the receiver answers, and
/// returns how many a second.
pub async fn posts(receiver: SocketAddr, connections: usize, count: usize) -> f64 {
    let rules = Rules::default().with_development(true);
    let document = WebhookDocument::from(load::webhook(receiver, 0, ""));
    let new = NewWebhook::new("w0", "u1", SystemTime::now().into());
    let webhook = Webhook::create(&document, &rules, new).expect("it is valid").webhook;
    let (webhook, rules) = (Arc::new(webhook), Arc::new(rules));
    let mut opened = Vec::new();
    for _ in 0..connections {
        let stream = TcpStream::connect(receiver).await.expect("the receiver listens");
        stream.set_nodelay(true).expect("the connection is open");
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP");
        tokio::spawn(connection);
        opened.push(sender);
    }
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for (task, mut sender) in opened.into_iter().enumerate() {
        let (webhook, rules) = (Arc::clone(&webhook), Arc::clone(&rules));
        tasks.spawn(async move {
            let builder = RequestBuilder::default();
            for number in (task..count).step_by(connections) {
                let bytes = load::event(number, 0);
                let event = rules.profile().read_event(&bytes).expect("it is valid");
                let payload = Payload::new(&event, bytes.clone());
                let id = MessageId::new(&format!("m{number}")).expect("it is short");
                let request = builder.request(&webhook, &payload);
                let request = request.with_standard_headers(&id, SystemTime::now().into());
                let mut sent = http::Request::from(&request).map(Full::new);
                // A client adds the header, and sends the path only.
                sent.headers_mut().insert("host", receiver.to_string().parse().expect("ASCII"));
                *sent.uri_mut() = sent.uri().path().parse().expect("a path");
                sender.ready().await.expect("the receiver runs");
                let response = sender.send_request(sent).await.expect("the receiver runs");
                assert!(response.status().is_success());
                response.into_body().collect().await.expect("the receiver runs");
            }
        });
    }
    tasks.join_all().await;
    count as f64 / start.elapsed().as_secs_f64()
}
