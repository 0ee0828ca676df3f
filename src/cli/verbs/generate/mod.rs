//! The verb `generate`: webhooks and events as a test load.
//!
//! ```text
//! hooksieve generate webhooks --count 100000 > w.ndjson
//! hooksieve generate events --count 1000000 | hooksieve match --webhooks w.ndjson
//!
//! {"id":"wh-3","tenantId":"svua0w_…","name":"Webhook 3","url":"https://hooks.example.com/wh-3",
//!  "eventTypes":["com.qlik.v1.app.reload.finished"],"enabled":true,"filter":"id eq …"}
//! ```
//!
//! `generate patterns` writes the same webhooks for engines that are not written in Rust; see
//! [`patterns`].
//!
//! The same arguments give the same lines on every machine, so a measurement can be repeated and a
//! problem that a load shows can be reported by its arguments. Nothing is read from a clock or the
//! system's random numbers.

mod patterns;
mod workload;

use crate::cli::output::{Format, Out};
use crate::cli::verbs::Run;
use crate::cli::verbs::generate::patterns::{Pattern, patterns};
use crate::cli::verbs::generate::workload::{Mix, TENANT, TYPE, Workload};
use crate::cli::{Failure, Outcome};
use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;
use serde_json::json;
use std::borrow::Cow;
use std::io::Write;

/// Generate webhooks or events as a test load for `match`, one per line
///
/// `patterns` writes the webhooks for event-ruler and quamina, so that they can be measured with the
/// same load: a line for each pattern, with the webhook's id. A webhook has as many patterns as its
/// filter has disjuncts, and matches an event if one of them does. The patterns have no tenant if
/// there is only one. Equal arguments give equal lines. To generate events that match the webhooks, use the same
/// --tenants for both.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What to generate
    #[arg(value_enum)]
    what: What,
    /// Number of webhooks or events
    #[arg(long, value_name = "N", default_value = "1000")]
    count: usize,
    /// Seed of the random numbers
    #[arg(long, value_name = "S", default_value = "1")]
    seed: u64,
    /// Number of tenants; the webhooks or events belong to them in turn
    #[arg(long, value_name = "T", default_value = "1", value_parser = clap::value_parser!(u64).range(1..))]
    tenants: u64,
    /// Filters of the webhooks: `selective` has mostly `eq` over 60,000 values; `full` is
    /// `selective` with 10 % `spaceId ne …` and 5 % without a filter; in `growing` the number of
    /// values grows with --count, so use the same --count for webhooks and events
    #[arg(long, default_value = "selective", value_parser = mixes())]
    mix: Mix,
    #[arg(skip = Format::Json)]
    pub(crate) format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// Webhooks, as in responses of the API, with `tenantId`
    Webhooks,
    /// CloudEvents of one type
    Events,
    /// Webhooks, as patterns of event-ruler and quamina
    Patterns,
}

fn mixes() -> impl TypedValueParser<Value = Mix> {
    PossibleValuesParser::new(Mix::ALL.map(Mix::name)).map(|name| {
        let named = Mix::ALL.into_iter().find(|mix| mix.name() == name);
        // The parser passes on only names of the list, so there is always such a mix.
        named.unwrap_or(Mix::Selective)
    })
}

/// A generated webhook.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Webhook<'a> {
    id: String,
    tenant_id: &'a str,
    name: String,
    url: String,
    event_types: [&'a str; 1],
    enabled: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    filter: String,
}

impl Run for Arguments {
    const NEEDS_OUTPUT: bool = true;

    fn format(&self) -> Format {
        self.format
    }

    fn run(self, out: &mut Out) -> Result<Outcome, Failure> {
        run(&self, out)
    }
}

fn run(arguments: &Arguments, out: &mut Out) -> Result<Outcome, Failure> {
    let mut workload = Workload::new(arguments.mix, arguments.count, arguments.seed);
    for number in 1..=arguments.count {
        let tenant = match arguments.tenants {
            // One tenant is the usual case and has an id of realistic length.
            1 => Cow::Borrowed(TENANT),
            // In turn, so that each tenant has as many webhooks and events as any other.
            tenants => Cow::Owned(format!("tenant-{}", 1 + (number as u64 - 1) % tenants)),
        };
        match arguments.what {
            What::Events => writeln!(out, "{}", workload.event(&tenant))?,
            // Drawn line by line, so that a longer load begins with the lines of a shorter one,
            // except for `growing`.
            What::Webhooks => out.json(&webhook(number, &tenant, workload.filter()))?,
            What::Patterns => {
                let tenant = (arguments.tenants > 1).then_some(&*tenant);
                write_patterns(number, tenant, &workload.filter(), out)?;
            }
        }
    }
    Ok(Outcome::Ok)
}

fn webhook(number: usize, tenant_id: &str, filter: String) -> Webhook<'_> {
    Webhook {
        id: format!("wh-{number}"),
        tenant_id,
        name: format!("Webhook {number}"),
        url: format!("https://hooks.example.com/wh-{number}"),
        event_types: [TYPE],
        enabled: true,
        filter,
    }
}

/// Writes a line for each pattern of a webhook. A webhook without a filter has one on the type.
fn write_patterns(
    number: usize,
    tenant: Option<&str>,
    filter: &str,
    out: &mut Out,
) -> Result<(), Failure> {
    let id = format!("wh-{number}");
    let all = if filter.is_empty() {
        vec![Pattern::default().with("type", TYPE)]
    } else {
        patterns(filter).map_err(|error| Failure::Usage(format!("webhook {id}: {error}")))?
    };
    for pattern in all {
        let pattern = match tenant {
            Some(tenant) => pattern.with("tenantid", tenant).with("type", TYPE),
            None => pattern,
        };
        out.json(&json!({ "id": id, "pattern": pattern.json() }))?;
    }
    Ok(())
}
