//! HTTP over loopback: a server, a client for its API, and the client that it sends requests with.

use crate::dispatch;
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use hooksieve::delivery::Response;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::{Client, connect::HttpConnector, connect::dns::Name};
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

pub async fn serve(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

/// Creates the client that the dispatch server sends with.
///
/// The host `receiver-0.example.com` resolves to the first of the addresses, and so on. No other
/// host resolves. URLs have the scheme `https`, but the client speaks plain HTTP: TLS is left out
/// here. So is `check_address`, which would refuse loopback.
pub fn outgoing(receivers: Vec<SocketAddr>) -> dispatch::Client {
    let resolver = tower::service_fn(move |host: Name| {
        let label = host.as_str().strip_suffix(".example.com");
        let number = label.and_then(|label| label.strip_prefix("receiver-")?.parse().ok());
        let found = number.and_then(|number: usize| receivers.get(number).copied());
        let missing = || io::Error::new(io::ErrorKind::NotFound, format!("no host `{host}`"));
        std::future::ready(found.map(std::iter::once).ok_or_else(missing))
    });
    let mut connector = HttpConnector::new_with_resolver(resolver);
    connector.enforce_http(false);
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    Arc::new(move |request| {
        let client = client.clone();
        let exchange = async move {
            let response = client.request(request.map(Full::new)).await?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, 64 << 10).collect().await?.to_bytes();
            Ok(Response { status: head.status, headers: head.headers, body })
        };
        Box::pin(async move {
            // A real server has a deadline. There is none here, since no test may depend on time.
            let message = |error: Box<dyn std::error::Error + Send + Sync>| error.to_string();
            exchange.await.map_err(message)
        })
    })
}

/// A response of the server.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Returns the codes of the errors in the body.
    #[track_caller]
    pub fn codes(&self) -> Vec<String> {
        let body = self.json();
        let errors = body["errors"].as_array().expect("a list of errors");
        assert!(!errors.is_empty() && errors.iter().all(|error| error["title"].is_string()));
        errors.iter().map(|error| error["code"].as_str().unwrap().to_owned()).collect()
    }

    /// Returns the tenant's revision after the change.
    #[track_caller]
    pub fn revision(&self) -> u64 {
        self.headers["x-revision"].to_str().unwrap().parse().unwrap()
    }
}

/// A client of one server.
#[derive(Clone)]
pub struct HttpClient {
    client: Client<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
}

impl HttpClient {
    pub fn new(address: SocketAddr) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self { client: Client::builder(TokioExecutor::new()).build(connector), address }
    }

    /// Sends a request; `token` names the user, and may be empty.
    pub async fn request(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Reply {
        let mut request =
            Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let (head, body) = self.client.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Reply { status: head.status, headers: head.headers, body }
    }

    pub async fn get(&self, token: &str, path: &str) -> Reply {
        self.request(token, Method::GET, path, "").await
    }

    pub async fn post(&self, token: &str, path: &str, body: &Value) -> Reply {
        self.request(token, Method::POST, path, body.to_string()).await
    }

    pub async fn put(&self, token: &str, path: &str, body: &Value) -> Reply {
        self.request(token, Method::PUT, path, body.to_string()).await
    }

    pub async fn patch(&self, token: &str, path: &str, body: &Value) -> Reply {
        self.request(token, Method::PATCH, path, body.to_string()).await
    }

    pub async fn delete(&self, token: &str, path: &str) -> Reply {
        self.request(token, Method::DELETE, path, "").await
    }

    /// Returns all entries of a list, page by page.
    pub async fn all(&self, token: &str, path: &str) -> Vec<Value> {
        let (mut found, mut next) = (Vec::new(), Some(path.to_owned()));
        while let Some(path) = next {
            let page = self.get(token, &path).await;
            assert_eq!(page.status, StatusCode::OK);
            let page = page.json();
            found.extend(page["data"].as_array().unwrap().iter().cloned());
            next = page["links"]["next"]["href"].as_str().map(str::to_owned);
        }
        found
    }
}
