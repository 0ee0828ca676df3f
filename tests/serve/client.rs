//! A small HTTP client whose requests are sent byte for byte as written.

use crate::process::Server;
use crate::{HOOKS, description};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A client with an API key.
#[derive(Clone)]
pub struct Client {
    address: String,
    key: String,
}

/// A response.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads a response from a connection that the server closes after it.
    pub fn read(stream: &mut TcpStream) -> Option<Self> {
        let mut bytes = Vec::new();
        // A reset after the response does not matter.
        let _ = stream.read_to_end(&mut bytes);
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Self { status, head, body: bytes[end + 4..].to_vec() })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        let shown = String::from_utf8_lossy(&self.body);
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {shown}"))
    }

    /// Returns the codes of an error body, which must have a trace id.
    #[track_caller]
    pub fn codes(&self) -> Vec<String> {
        let body = self.json();
        assert!(body["traceId"].as_str().is_some_and(|id| id.len() == 32), "{body}");
        let errors = body["errors"].as_array().unwrap();
        errors.iter().map(|error| error["code"].as_str().unwrap().to_owned()).collect()
    }

    pub fn revision(&self) -> u64 {
        self.header("hooksieve-revision").unwrap().parse().unwrap()
    }

    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    /// Checks that the response is an error with this status and these codes.
    #[track_caller]
    pub fn refused(&self, status: u16, codes: &[&str]) {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.codes(), codes);
    }
}

impl Client {
    pub fn new(address: &str, key: &str) -> Self {
        Self { address: address.to_owned(), key: key.to_owned() }
    }

    /// Returns a client of another server with the same key.
    pub fn at(&self, server: &Server) -> Self {
        Self { address: server.address.clone(), ..self.clone() }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    /// Sends JSON to a server that may be killed meanwhile; `None` without a complete response.
    pub fn attempt(&self, method: &str, path: &str, body: &str) -> Option<Answer> {
        let more = "Content-Type: application/json\r\n";
        let more = format!("{more}Content-Length: {}\r\n", body.len());
        let mut stream = TcpStream::connect(&self.address).ok()?;
        stream.write_all((self.head(method, path, &more) + body).as_bytes()).ok()?;
        let answer = Answer::read(&mut stream)?;
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        (answer.body.len() == length).then_some(answer)
    }

    /// Returns the lines of a request before its body.
    pub fn head(&self, method: &str, path: &str, more: &str) -> String {
        let Self { address, key } = self;
        let key = match key.is_empty() {
            true => String::new(),
            false => format!("Authorization: Bearer {key}\r\n"),
        };
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{key}Connection: close\r\n{more}\r\n"
        )
    }

    /// Sends a request with a body, and checks the response against the description.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, media_type: &str, body: &[u8]) -> Answer {
        let more = format!("Content-Type: {media_type}\r\nContent-Length: {}\r\n", body.len());
        let more = if media_type.is_empty() { "" } else { &more };
        let mut stream = self.connect();
        stream.write_all(self.head(method, path, more).as_bytes()).unwrap();
        // The server may have refused the request already.
        let _ = stream.write_all(body);
        let answer = Answer::read(&mut stream).unwrap_or_else(|| panic!("no response to {path}"));
        description::check(method, path, &answer);
        answer
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", b"")
    }

    #[track_caller]
    pub fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, "", b"")
    }

    #[track_caller]
    pub fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.ask(method, path, "application/json", body.to_string().as_bytes())
    }

    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, body)
    }

    #[track_caller]
    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, body)
    }

    #[track_caller]
    pub fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send("PATCH", path, body)
    }

    /// Creates a webhook and returns its path.
    #[track_caller]
    pub fn create(&self, body: &Value) -> String {
        let created = self.post(HOOKS, body).is(201).json();
        format!("{HOOKS}/{}", created["id"].as_str().unwrap())
    }

    /// Returns the path of a link, which must be an absolute URL of this server.
    #[track_caller]
    pub fn linked(&self, page: &Value, name: &str) -> Option<String> {
        let link = page["links"][name]["href"].as_str()?;
        let path = link.strip_prefix(&format!("http://{}", self.address));
        Some(path.unwrap_or_else(|| panic!("{link}")).to_owned())
    }

    /// Returns all items of a list, page by page.
    #[track_caller]
    pub fn all(&self, path: &str) -> Vec<Value> {
        let (mut found, mut next) = (Vec::new(), Some(path.to_owned()));
        while let Some(path) = next {
            let page = self.get(&path).is(200).json();
            assert!(page["links"]["self"]["href"].is_string());
            found.extend(page["data"].as_array().unwrap().iter().cloned());
            next = self.linked(&page, "next");
        }
        found
    }
}

/// Returns the document of a webhook.
pub fn document(name: &str, level: &str) -> Value {
    json!({
        "name": name, "url": "https://hooks.example.com/hook", "enabled": true, "level": level,
        "eventTypes": ["com.qlik.v1.app.created"],
    })
}

/// Returns a patch that replaces one member.
pub fn replacing(path: &str, value: impl Into<Value>) -> Value {
    json!([{"op": "replace", "path": path, "value": value.into()}])
}
