//! A receiver on loopback that counts what it gets.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver as Signals, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// When a receiver gives a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A request has arrived, and is answered a little later.
    Arrived,
    /// A request was answered.
    Answered,
}

/// The requests by path and by the id of the event in their body: the message ids of those that
/// were answered by success, and the number of the others.
pub type Seen = BTreeMap<(String, String), (Vec<String>, usize)>;

/// A receiver. It runs until the process ends.
pub struct Receiver {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    seen: Mutex<Seen>,
    signal: Mutex<Option<(Moment, usize, Sender<()>)>>,
}

impl Receiver {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state: Arc<State> = Arc::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let state = Arc::clone(&shared);
                // A server that was killed resets its connections.
                std::thread::spawn(move || stream.ok().and_then(|stream| state.serve(stream)));
            }
        });
        Self { port, state }
    }

    /// Returns a URL. Under `/flaky`, the first attempt of every third event fails.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn seen(&self) -> Seen {
        self.state.seen.lock().unwrap().clone()
    }

    /// Signals a moment of a request after `count` others.
    pub fn signal(&self, moment: Moment, count: usize) -> Signals<()> {
        let (sender, signals) = channel();
        *self.state.signal.lock().unwrap() = Some((moment, count, sender));
        signals
    }
}

impl State {
    /// Answers one request. The connection is closed after it.
    fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let (mut head, mut length, mut message) = (String::new(), 0, String::new());
        reader.read_line(&mut head).ok()?;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            // A server that was killed sends the beginning of a request.
            if !line.ends_with('\n') {
                return None;
            }
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match &*name.to_ascii_lowercase() {
                "content-length" => length = value.parse().ok()?,
                "webhook-id" => message = value.to_owned(),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let path = head.split(' ').nth(1)?.to_owned();
        if self.is_signaled(Moment::Arrived) {
            std::thread::sleep(Duration::from_millis(50));
        }
        let event = body["id"].as_str().unwrap().to_owned();
        // Not of every event: then only one would be tried at a time.
        let fails = event.ends_with(['0', '3', '6', '9']);
        let status = {
            let mut seen = self.seen.lock().unwrap();
            let (delivered, failed) = seen.entry((path.clone(), event)).or_default();
            match path.starts_with("/flaky") && fails && *failed == 0 {
                true => {
                    *failed += 1;
                    "503 Service Unavailable"
                }
                false => {
                    delivered.push(message);
                    "204 No Content"
                }
            }
        };
        let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        reader.get_mut().write_all(answer.as_bytes()).ok()?;
        self.is_signaled(Moment::Answered);
        Some(())
    }

    /// Counts a moment, and gives the signal if it is its turn.
    fn is_signaled(&self, moment: Moment) -> bool {
        let mut signal = self.signal.lock().unwrap();
        match &mut *signal {
            Some((wanted, count, _)) if *wanted == moment && *count > 0 => {
                *count -= 1;
                false
            }
            Some((wanted, _, _)) if *wanted == moment => {
                // The round may be over, so that no signal is expected.
                signal.take().is_some_and(|(_, _, sender)| sender.send(()).is_ok())
            }
            _ => false,
        }
    }
}
