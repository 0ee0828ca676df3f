//! The verb `listen`: a receiver that shows requests and explains their signatures.
//!
//! ```text
//! $ hooksieve listen --secret 0123456789abcdef0123456789abcdef
//! listening on http://127.0.0.1:8081
//!
//! #1 2026-01-31T09:00:00Z POST /hook: 2 bytes, answered 200     the request
//! content-type: application/json                                its headers
//! qlik-signature: b326604c…
//! ✓ Qlik-Signature: valid                                       the verdicts
//!
//! {}
//! ```
//!
//! What arrives comes from anywhere, so it is printed with misleading characters escaped. JSON is
//! indented, and is otherwise shown as it was received: numbers and the order of members are not
//! changed.

use super::Run;
use crate::cli::output::why::{BAD, BOLD, DIM, GOOD};
use crate::cli::output::{Format, Out, plain, readable};
use crate::cli::{Failure, Outcome};
use crate::server::ServeError;
use crate::server::ambient::Ambient;
use crate::server::config::duration;
use crate::server::listen::{self, Layout, Options, Received, Shown, Verdict, lay_out};
use serde::Serialize;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

/// Receive webhook requests, show them, and explain wrong signatures
///
/// For development: it answers every request. With the webhook's secret it verifies
/// `Qlik-Signature` and the signature of Standard Webhooks. It listens until it is interrupted.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The address; port 0 for any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// The webhook's secret, also in the form `whsec_…`
    #[arg(long, value_name = "S", env = "HOOKSIEVE_SECRET", hide_env_values = true)]
    secret: Option<String>,
    /// The status of the responses
    #[arg(long, value_name = "N", default_value = "200", value_parser = clap::value_parser!(u16).range(200..600))]
    status: u16,
    /// The time before each response, such as 500ms or 5s
    #[arg(long, value_name = "TIME", value_parser = duration)]
    delay: Option<Duration>,
    /// Answer the first N requests with 500
    #[arg(long, value_name = "N", default_value_t = 0)]
    fail_first: u64,
    /// Output format
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

impl Run for Arguments {
    const NEEDS_OUTPUT: bool = true;

    fn format(&self) -> Format {
        self.format
    }

    fn run(self, out: &mut Out) -> Result<Outcome, Failure> {
        let format = self.format;
        let options = Options {
            listen: self.listen,
            secret: self.secret,
            status: self.status,
            delay: self.delay.unwrap_or_default(),
            fail_first: self.fail_first,
        };
        let shown = listen::run(options, Ambient::machine(), |shown| {
            match format {
                Format::Text => text(out, &shown)?,
                Format::Json => out.json(&Line::new(&shown))?,
            }
            // Each request at once: a person or a program waits for it.
            out.flush()
        });
        match shown {
            Ok(()) => Ok(Outcome::Ok),
            Err(ServeError::Io(error)) => Err(Failure::Output(error)),
            Err(error) => Err(Failure::Usage(error.to_string())),
        }
    }
}

/// Headers that every request has, and that say nothing about it.
const FRAMING: &[&str] =
    &["accept", "accept-encoding", "connection", "content-length", "host", "transfer-encoding"];

fn text(out: &mut Out, shown: &Shown) -> io::Result<()> {
    let request = match shown {
        Shown::Listening(address) => return writeln!(out, "listening on http://{address}"),
        Shown::Received(request) => request,
    };
    let Received { number, at, status, .. } = **request;
    let (method, path) = (plain(&request.method), plain(&request.path));
    let size = match &request.body {
        Ok(body) => format!("{} bytes", body.len()),
        Err(why) => (*why).to_owned(),
    };
    writeln!(out, "\n{BOLD}#{number} {at} {method} {path}{BOLD:#}: {size}, answered {status}")?;
    if let Some(earlier) = request.earlier {
        let what = if earlier.was_accepted() { "duplicate" } else { "retry" };
        let (number, status) = (earlier.number, earlier.status);
        writeln!(
            out,
            "{BOLD}{what}{BOLD:#}: #{number} has the same webhook-id and was answered {status}"
        )?;
    }
    for (name, value) in &request.headers {
        if !FRAMING.contains(&name.as_str()) {
            writeln!(out, "{DIM}{}:{DIM:#} {}", plain(name), plain(value))?;
        }
    }
    if let Some(signatures) = &request.signatures {
        verdict(out, "Qlik-Signature", &signatures.qlik)?;
        verdict(out, "webhook-signature", &signatures.standard)?;
    }
    match request.body.as_deref() {
        Ok([]) | Err(_) => Ok(()),
        Ok(body) => writeln!(out, "\n{}", body_text(body)),
    }
}

fn verdict(out: &mut Out, name: &str, verdict: &Verdict) -> io::Result<()> {
    match verdict {
        Verdict::Absent => Ok(()),
        Verdict::Unchecked => {
            writeln!(out, "? {name}: not checked; give the webhook's secret with --secret")
        }
        Verdict::Valid => writeln!(out, "{GOOD}✓{GOOD:#} {name}: valid"),
        Verdict::Wrong(reasons) => {
            reasons.iter().try_for_each(|why| writeln!(out, "{BAD}✗{BAD:#} {name}: {why}"))
        }
    }
}

/// Returns a body for a person.
fn body_text(body: &[u8]) -> String {
    match std::str::from_utf8(body) {
        Ok(text) => match lay_out(text, Layout::Lines(2)) {
            Some(json) => readable(&json),
            None => text.lines().map(plain).collect::<Vec<_>>().join("\n"),
        },
        Err(_) => plain(&String::from_utf8_lossy(body)),
    }
}

/// A line of the JSON output.
#[derive(Serialize)]
#[serde(untagged)]
enum Line<'r> {
    Listening { listening: String },
    Received(Box<ReceivedLine<'r>>),
}

/// The JSON output for a request.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReceivedLine<'r> {
    number: u64,
    received_at: String,
    method: &'r str,
    path: &'r str,
    headers: &'r [(String, String)],
    /// The text that is signed; bytes that are not UTF-8 are replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<std::borrow::Cow<'r, str>>,
    /// Why the body was not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    qlik_signature: Option<VerdictLine<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_signature: Option<VerdictLine<'r>>,
    /// The last request with the same message id.
    #[serde(skip_serializing_if = "Option::is_none")]
    earlier: Option<EarlierLine>,
    status: u16,
}

#[derive(Serialize)]
struct VerdictLine<'r> {
    /// `absent`, `unchecked`, `valid` or `wrong`.
    verdict: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    reasons: &'r [String],
}

#[derive(Serialize)]
struct EarlierLine {
    number: u64,
    status: u16,
    duplicate: bool,
}

impl<'r> Line<'r> {
    fn new(shown: &'r Shown) -> Self {
        let request = match shown {
            Shown::Listening(address) => {
                return Self::Listening { listening: format!("http://{address}") };
            }
            Shown::Received(request) => request,
        };
        let signatures = request.signatures.as_ref();
        Self::Received(Box::new(ReceivedLine {
            number: request.number,
            received_at: request.at.to_string(),
            method: &request.method,
            path: &request.path,
            headers: &request.headers,
            body: request.body.as_ref().ok().map(|body| String::from_utf8_lossy(body)),
            refused: request.body.as_ref().err().copied(),
            qlik_signature: signatures.map(|both| VerdictLine::new(&both.qlik)),
            webhook_signature: signatures.map(|both| VerdictLine::new(&both.standard)),
            earlier: request.earlier.map(|earlier| EarlierLine {
                number: earlier.number,
                status: earlier.status,
                duplicate: earlier.was_accepted(),
            }),
            status: request.status,
        }))
    }
}

impl<'r> VerdictLine<'r> {
    fn new(verdict: &'r Verdict) -> Self {
        let (verdict, reasons): (_, &[String]) = match verdict {
            Verdict::Absent => ("absent", &[]),
            Verdict::Unchecked => ("unchecked", &[]),
            Verdict::Valid => ("valid", &[]),
            Verdict::Wrong(reasons) => ("wrong", reasons),
        };
        Self { verdict, reasons }
    }
}
