use super::workload::{Mix, TENANT, TYPE, Workload};
use super::{Failure, Format, Out, Outcome};
use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;
use std::borrow::Cow;
use std::io::Write;

/// Write webhooks or events to try `match` with, one a line
///
/// Equal arguments give equal lines. Events of one tenant match webhooks of the same number; give
/// both the same --tenants.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// What to write
    #[arg(value_enum)]
    what: What,
    /// How many
    #[arg(long, value_name = "N", default_value = "1000")]
    count: usize,
    /// Where the random numbers begin
    #[arg(long, value_name = "S", default_value = "1")]
    seed: u64,
    /// How many tenants they belong to, in turn
    #[arg(long, value_name = "T", default_value = "1", value_parser = clap::value_parser!(u64).range(1..))]
    tenants: u64,
    /// Which filters the webhooks have: `selective` compares for equality over 60,000 values;
    /// `full` is the same with ten per cent `spaceId ne …` and five without a filter; in
    /// `growing` the values grow with --count, which is to be the same for both then
    #[arg(long, default_value = "selective", value_parser = mixes())]
    mix: Mix,
    #[arg(skip = Format::Json)]
    pub(super) format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// Webhooks, as the API writes them, and `tenantId`
    Webhooks,
    /// CloudEvents of one type
    Events,
}

fn mixes() -> impl TypedValueParser<Value = Mix> {
    PossibleValuesParser::new(Mix::ALL.map(Mix::name)).map(|name| {
        let named = Mix::ALL.into_iter().find(|mix| mix.name() == name);
        named.unwrap_or(Mix::Selective)
    })
}

/// A webhook that is written.
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

pub(super) fn run(arguments: &Arguments, out: &mut Out) -> Result<Outcome, Failure> {
    let mut workload = Workload::new(arguments.mix, arguments.count, arguments.seed);
    for number in 1..=arguments.count {
        let tenant = match arguments.tenants {
            1 => Cow::Borrowed(TENANT),
            tenants => Cow::Owned(format!("tenant-{}", 1 + (number as u64 - 1) % tenants)),
        };
        match arguments.what {
            What::Events => writeln!(out, "{}", workload.event(&tenant))?,
            What::Webhooks => out.json(&Webhook {
                id: format!("wh-{number}"),
                tenant_id: &tenant,
                name: format!("Webhook {number}"),
                url: format!("https://hooks.example.com/wh-{number}"),
                event_types: [TYPE],
                enabled: true,
                filter: workload.filter(),
            })?,
        }
    }
    Ok(Outcome::Well)
}
