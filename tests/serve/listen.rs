//! The receiver for development, `hooksieve listen`, as a child process.

use crate::client::Answer;
use crate::process::{eventually, program, run};
use serde_json::Value;
use std::io::{BufRead, BufReader, Lines, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, SystemTime};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

struct Receiver {
    child: Child,
    out: Option<Lines<BufReader<ChildStdout>>>,
    address: String,
}

impl Receiver {
    #[track_caller]
    fn start(more: &[&str]) -> Self {
        let mut command = program(&["listen", "--listen", "127.0.0.1:0"]);
        let mut child = command.args(more).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = out.next().unwrap().unwrap();
        let address = line.split_once("http://").unwrap().1.trim_end_matches(['"', '}']).to_owned();
        Self { child, out: Some(out), address }
    }

    /// Sends a request with header lines, and returns the response.
    #[track_caller]
    fn send(&self, line: &str, headers: &str, body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let length = body.len();
        let head = format!(
            "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        // The receiver may have refused the request already.
        let _ = stream.write_all(body);
        Answer::read(&mut stream).unwrap()
    }

    fn lines(&mut self) -> impl Iterator<Item = String> {
        self.out.as_mut().unwrap().map(|line| line.unwrap())
    }

    /// Returns what was printed so far, without times, which differ between runs.
    fn printed(&mut self) -> String {
        self.send("GET /last", "", b"");
        let lines = self.lines().take_while(|line| !line.contains("GET /last"));
        let mut text = String::new();
        for line in lines {
            let line = match line.strip_prefix("webhook-timestamp: ") {
                Some(_) => "webhook-timestamp: SECONDS".to_owned(),
                None => line,
            };
            let words: Vec<_> = line.splitn(3, ' ').collect();
            match words[..] {
                [number, _, rest] if number.starts_with('#') => {
                    text.push_str(&format!("{number} TIME {rest}\n"));
                }
                _ => text.push_str(&format!("{line}\n")),
            }
        }
        text
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the headers of a signed message.
fn signed(id: &str, body: &[u8]) -> String {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let webhook = standardwebhooks::Webhook::from_bytes(SECRET.into()).unwrap();
    let standard = webhook.sign(id, now as i64, body).unwrap();
    let qlik = hmac_sha256::HMAC::mac(body, SECRET.as_bytes());
    let qlik: String = qlik.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "Content-Type: application/json\r\nQlik-Signature: {qlik}\r\nwebhook-id: {id}\r\n\
         webhook-timestamp: {now}\r\nwebhook-signature: {standard}\r\n"
    )
}

#[test]
fn shows_requests_with_their_signatures() {
    let mut receiver = Receiver::start(&["--secret", SECRET, "--fail-first", "1"]);
    let body = br#"{"type":"com.qlik.v1.app.created","n":1.50,"a":{}}"#;
    let message = signed("msg_1", body);
    receiver.send("POST /hook?x=1", &message, body).is(500);
    receiver.send("POST /hook?x=1", &message, body).is(200);
    receiver.send("POST /hook?x=1", &message, body).is(200);
    // A proxy that prints JSON again.
    let changed = br#"{ "type": "com.qlik.v1.app.created", "n": 1.50, "a": {} }"#;
    receiver.send("POST /hook", &signed("msg_2", body), changed).is(200);
    receiver.send("PUT /", "X-Text: a\u{202e}b\r\n", "red \u{1b}[31m\nnext".as_bytes()).is(200);
    receiver.send("POST /binary", "", b"\xff\x00").is(200);
    let printed = receiver.printed();
    let printed = printed.lines().map(|line| match line.split_once("webhook-signature: v1,") {
        Some(("", _)) => "webhook-signature: v1,BASE64",
        _ => line,
    });
    insta::assert_snapshot!(printed.collect::<Vec<_>>().join("\n"));
}

/// The example of the guide: a proxy printed the body again.
#[test]
fn shows_what_the_guide_shows() {
    let guide = std::fs::read_to_string("src/guide/program.md").unwrap();
    let example = guide.split("```text\n#1 ").nth(1).unwrap().split("\n```").next().unwrap();
    let example = example.split_once(' ').unwrap().1;
    let compact = br#"{"type":"com.qlik.v1.app.created"}"#;
    let signed = signed("msg_1", compact);
    let signed = signed.split_inclusive("\r\n").take(2).collect::<String>();
    let mut receiver = Receiver::start(&["--secret", SECRET]);
    let body = b"{\n  \"type\": \"com.qlik.v1.app.created\"\n}";
    receiver.send("POST /hook", &signed, body).is(200);
    let printed = receiver.printed();
    assert!(printed.contains(&format!("#1 TIME {example}\n")), "{printed}");
}

#[test]
fn asks_for_the_secret() {
    let mut receiver = Receiver::start(&[]);
    receiver.send("POST /", &signed("msg_1", b"{}"), b"{}").is(200);
    let printed = receiver.printed();
    let help = "not checked; give the webhook's secret with --secret";
    assert!(printed.contains(&format!("\n? Qlik-Signature: {help}\n")), "{printed}");
    assert!(printed.contains(&format!("\n? webhook-signature: {help}\n")), "{printed}");
}

#[test]
fn prints_json_lines() {
    let more = ["--format", "json", "--status", "410", "--delay", "1ms", "--secret", SECRET];
    let mut receiver = Receiver::start(&more);
    receiver.send("POST /a", &signed("msg_1", b"{}\n"), b"{}\n").is(410);
    receiver.send("POST /a", &signed("msg_1", b"{}"), b"[]").is(410);
    let lines = receiver.lines().take(2).map(|line| serde_json::from_str(&line).unwrap());
    let [first, second]: [Value; 2] = lines.collect::<Vec<_>>().try_into().unwrap();
    assert_eq!((&first["number"], &first["status"]), (&1.into(), &410.into()));
    assert_eq!((&first["method"], &first["path"]), (&"POST".into(), &"/a".into()));
    assert_eq!(first["body"], "{}\n");
    assert_eq!(first["qlikSignature"], serde_json::json!({"verdict": "valid"}));
    assert_eq!(first["webhookSignature"], serde_json::json!({"verdict": "valid"}));
    let headers = first["headers"].as_array().unwrap();
    assert!(headers.contains(&serde_json::json!(["webhook-id", "msg_1"])), "{first}");
    assert_eq!(second["qlikSignature"]["verdict"], "wrong");
    assert_eq!(second["qlikSignature"]["reasons"].as_array().unwrap().len(), 1);
    let earlier = serde_json::json!({"number": 1, "status": 410, "duplicate": false});
    assert_eq!(second["earlier"], earlier);
}

#[test]
fn refuses_long_bodies() {
    let mut receiver = Receiver::start(&[]);
    receiver.send("POST /long", "", &vec![b' '; (1 << 20) + 1]).is(413);
    receiver.send("POST /fits", "", &vec![b'\n'; 1 << 20]).is(200);
    let printed = receiver.printed();
    assert!(printed.contains("the body is longer than 1 MiB or incomplete, answered 413"));
    assert!(printed.contains("POST /fits: 1048576 bytes, answered 200"));
}

#[test]
fn refuses_an_address_in_use_and_wrong_flags() {
    let receiver = Receiver::start(&[]);
    let output = run(&["listen", "--listen", &receiver.address]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.starts_with(&format!("error: --listen {}: ", receiver.address)), "{error}");
    for wrong in [["--status", "199"], ["--status", "600"], ["--delay", "5"], ["--fail-first", "x"]]
    {
        let output = run(&["listen", wrong[0], wrong[1]]);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
}

/// As with `hooksieve listen | head`.
#[test]
fn ends_when_its_output_is_closed() {
    let mut receiver = Receiver::start(&[]);
    drop(receiver.out.take());
    let address = receiver.address.clone();
    let status = eventually(|| {
        // Until it notices, it answers.
        let _ = TcpStream::connect(&address)
            .and_then(|mut stream| stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
        receiver.child.try_wait().unwrap().ok_or("it still runs")
    });
    assert!(status.success(), "{status}");
}
