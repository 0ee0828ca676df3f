//! Other engines on hooksieve's own workload, each checked against hooksieve's answers.
//!
//! `cargo run --release --manifest-path benches/peers/Cargo.toml`, optionally with
//! `-- --sizes 1000,100000 --events 1000 --seconds 3 --build-seconds 60`. It prints two tables in
//! Markdown, matching (the mix `selective`, one tenant, one event type) and parsing, and row 10 of
//! hooksieve's own targets. Compare within one run; the yardstick, one `serde_json::Value` parse of
//! an event, is timed beside every row.
//!
//! What is fair and what is not:
//!
//! - Each engine gets the filters in its own language, translated from hooksieve's tree before the
//!   clock starts, and answers with the numbers of the webhooks. `ne` is the negation of `eq`, on
//!   absent attributes too, so an engine that thinks otherwise is told so in the translation.
//! - "attributes" are the four values a filter may speak of, taken from the event beforehand; what
//!   an engine makes of them for itself is timed. "bytes" is the whole event as JSON.
//! - An engine without an index is run as its users would: all filters one after another.
//! - An engine that cannot say a filter goes without it, which flatters its time; the last column
//!   tells. One that fails, panics, builds for too long or takes too much memory is cut off.

mod agreement;
mod arguments;
mod engines;
mod hook;
mod load;
mod measure;
#[path = "../../support/number.rs"]
mod number;
mod parsing;
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
#[path = "../../../src/cli/workload.rs"]
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
    // What an engine panics with is in its row.
    std::panic::set_hook(Box::new(|_| {}));
    // By peer, then by size.
    let mut outcomes: Vec<Vec<Outcome>> = PEERS.iter().map(|_| Vec::new()).collect();
    for &size in &arguments.sizes {
        let load = Load::new(Mix::Selective, size, arguments.events);
        for (peer, outcomes) in PEERS.iter().zip(&mut outcomes) {
            eprint!("{} at {size}: ", peer.name);
            let outcome = measure::run(peer, &load, &arguments);
            match &outcome.result {
                Ok(Figures { micros, yardstick, events, .. }) => {
                    eprintln!("{micros:.2} µs, yardstick {yardstick:.2} µs, of {events} events");
                }
                Err(reason) => eprintln!("fails: {reason}"),
            }
            outcomes.push(outcome);
        }
    }
    report::matching(&arguments.sizes, &outcomes);
    let parsers = parsing::run();
    report::parsing(&parsers);
    report::targets(&parsers);
}
