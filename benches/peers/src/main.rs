//! Compares hooksieve with other engines on hooksieve's workload, and checks that they agree.
//!
//! `cargo run --release --manifest-path benches/peers/Cargo.toml`, optionally with `-- --sizes
//! 1000,100000 --events 1000 --seconds 3 --build-seconds 60`. It prints Markdown: a table of
//! matching (the mix `selective`, one tenant, one event type), a table of parsing, and row 10 of
//! hooksieve's targets. `--picture FILE` also draws the times of matching. Compare figures of one
//! run only. The yardstick, one `serde_json::Value` parse of an event, is timed next to every row.
//!
//! # Conditions
//!
//! - Each engine gets the filters in its own language, translated from hooksieve's tree before the
//!   clock starts, and returns the numbers of the webhooks. `ne` is the negation of `eq`, also for
//!   absent attributes; where an engine differs, the translation makes up for it.
//! - An engine that takes "attributes" gets the four values that a filter can use, extracted
//!   before. Its own conversion of them is timed. An engine that takes "bytes" gets the whole event
//!   as JSON.
//! - An engine without an index runs as its users would run it: all filters, one after another.
//! - A filter that an engine cannot express is left out, which flatters its time; the last column
//!   shows how many are left. An engine that fails, panics, or exceeds the limit of build time or
//!   memory is stopped.

mod agreement;
mod arguments;
mod engines;
mod hook;
mod load;
mod measure;
#[path = "../../support/number.rs"]
mod number;
mod parsing;
mod picture;
mod report;
#[allow(dead_code, reason = "shared with hooksieve's benches")]
#[path = "../../support/table.rs"]
mod table;
mod term;
#[cfg(test)]
mod tests;
#[allow(dead_code, reason = "shared with hooksieve's benches")]
#[path = "../../support/texts.rs"]
mod texts;
#[allow(dead_code, reason = "the generator of the program `hooksieve`, which uses more of it")]
#[path = "../../../src/cli/verbs/generate/workload.rs"]
mod workload;

use arguments::Arguments;
use engines::PEERS;
use load::Load;
use measure::{Figures, Outcome};
use workload::Mix;

fn main() {
    let arguments = match Arguments::read(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!("error: {problem}");
            std::process::exit(2);
        }
    };
    // The message of an engine's panic is shown in its row.
    std::panic::set_hook(Box::new(|_| {}));
    let machine = table::machine();
    // By peer, then by size.
    let mut outcomes: Vec<Vec<Outcome>> = PEERS.iter().map(|_| Vec::new()).collect();
    for &size in &arguments.sizes {
        let load = Load::new(Mix::Selective, size, arguments.events);
        for (peer, outcomes) in PEERS.iter().zip(&mut outcomes) {
            eprint!("{} at {size}: ", peer.name);
            let outcome = measure::run(peer, &load, &arguments);
            match &outcome.result {
                Ok(Figures { micros, yardstick, events, .. }) => {
                    eprintln!("{micros:.2} µs, yardstick {yardstick:.2} µs, {events} events");
                }
                Err(reason) => eprintln!("fails: {reason}"),
            }
            outcomes.push(outcome);
        }
    }
    println!("{machine}");
    report::matching(&arguments.sizes, &outcomes);
    if let Some(file) = &arguments.picture {
        let svg = picture::draw(&arguments.sizes, &outcomes, &machine);
        if let Err(error) = std::fs::write(file, svg) {
            eprintln!("error: {}: {error}", file.display());
            std::process::exit(2);
        }
    }
    let parsers = parsing::run();
    report::parsing(&parsers);
    report::targets(&parsers);
}
