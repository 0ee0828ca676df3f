//! Prints the tables as Markdown.

use crate::engines::{PEERS, Takes};
use crate::measure::{Figures, Outcome, median};
use crate::number::{commas, number};
use crate::parsing::Row;
use crate::table::{self, Goal, micros};

const LOCK: &str = include_str!("../Cargo.lock");

/// Returns the version of a package that this program was built with.
fn version(package: &str) -> &'static str {
    let entry = LOCK.split_once(&format!("name = \"{package}\"\nversion = \""));
    entry.and_then(|(_, rest)| rest.split_once('"')).map_or("?", |(version, _)| version)
}

/// Prints the table of matching. `outcomes` are by peer, then by size.
pub fn matching(sizes: &[usize], outcomes: &[Vec<Outcome>]) {
    let figures = outcomes.iter().flatten().filter_map(|outcome| outcome.result.as_ref().ok());
    print_yardstick(figures.map(|figures| figures.yardstick).collect());
    print!("| engine | version | takes |");
    for size in sizes.iter().map(|size| commas(*size)) {
        print!(" {size} webhooks, µs per event | × hooksieve |");
    }
    let last = sizes.iter().map(|size| commas(*size)).next_back().unwrap_or_default();
    println!(" build {last} webhooks, s | agrees |\n|{}", " --- |".repeat(5 + 2 * sizes.len()));
    for (row, (peer, of_peer)) in PEERS.iter().zip(outcomes).enumerate() {
        let takes = if peer.takes == Takes::Bytes { "bytes" } else { "attributes" };
        print!("| {} | {} | {takes} |", peer.name, version(peer.package));
        // Compared with hooksieve's index that takes the same input.
        let ours = PEERS.iter().position(|ours| ours.takes == peer.takes).unwrap_or(0);
        for (outcome, ours) in of_peer.iter().zip(&outcomes[ours]) {
            let Ok(Figures { micros, .. }) = &outcome.result else {
                print!(" fails | |");
                continue;
            };
            let ratio = ours.result.as_ref().map(|ours| number(micros / ours.micros));
            print!(" {} | {} |", number(*micros), ratio.unwrap_or_default());
        }
        let last = of_peer.last().and_then(|outcome| outcome.result.as_ref().ok());
        let build = last.map(|figures| number(figures.build.as_secs_f64())).unwrap_or_default();
        let agrees = if row == 0 { "is the reference".to_owned() } else { verdict(of_peer) };
        println!(" {build} | {agrees} |");
    }
    println!();
    for (peer, of_peer) in PEERS.iter().zip(outcomes) {
        for (size, outcome) in sizes.iter().zip(of_peer) {
            let note = match &outcome.result {
                Err(reason) => format!("fails: {reason}"),
                Ok(Figures { agreement, .. }) => match &agreement.example {
                    Some(example) => format!("differs: {example}"),
                    None => continue,
                },
            };
            println!("- {} with {} webhooks {note}", peer.name, commas(*size));
        }
    }
}

/// Returns whether an engine agrees, in one phrase for all sizes with the same verdict.
fn verdict(outcomes: &[Outcome]) -> String {
    let expressed: usize = outcomes.iter().map(|outcome| outcome.expressed).sum();
    let webhooks: usize = outcomes.iter().map(|outcome| outcome.webhooks).sum();
    let mut verdicts: Vec<(String, Vec<String>)> = Vec::new();
    for outcome in outcomes {
        let Ok(Figures { agreement, .. }) = &outcome.result else { continue };
        let mut verdict = match agreement.differing {
            0 => "yes".to_owned(),
            differing => format!("no, differs on {}", commas(differing)),
        };
        if expressed < webhooks {
            let percent = 100.0 * expressed as f64 / webhooks as f64;
            verdict += &format!(", on the {percent:.0} % of the filters that it can express");
        }
        let checked = commas(agreement.checked);
        match verdicts.iter_mut().find(|(same, _)| *same == verdict) {
            Some((_, events)) => events.push(checked),
            None => verdicts.push((verdict, vec![checked])),
        }
    }
    let sentence = |(verdict, events): &(String, Vec<String>)| {
        format!("{verdict} ({} events)", events.join(" and "))
    };
    verdicts.iter().map(sentence).collect::<Vec<_>>().join("; ")
}

/// Prints the table of parsing.
pub fn parsing(rows: &[Row]) {
    print_yardstick(rows.iter().map(|row| row.yardstick).collect());
    println!("| parser | version | 4 terms, µs | × hooksieve | 100 terms, µs | × hooksieve |");
    println!("|{}", " --- |".repeat(6));
    for row in rows {
        print!("| {} | {} |", row.name, version(row.package));
        for (micros, ours) in row.micros.iter().zip(&rows[0].micros) {
            match (micros, ours) {
                (Ok(micros), Ok(ours)) => {
                    print!(" {} | {} |", number(*micros), number(micros / ours));
                }
                (Ok(micros), Err(_)) => print!(" {} | |", number(*micros)),
                (Err(reason), _) => print!(" fails: {reason} | |"),
            }
        }
        println!();
    }
}

/// Prints row 10 of hooksieve's targets, which are fractions of the time of scim_proto.
pub fn targets(rows: &[Row]) {
    let of = |name| rows.iter().find(|row| row.name == name).map(|row| &row.micros);
    let (Some(ours), Some(theirs)) = (of("hooksieve, parse and check"), of("scim_proto")) else {
        return;
    };
    println!();
    for (terms, pair) in [4, 100].into_iter().zip(ours.iter().zip(theirs)) {
        let (Ok(ours), Ok(theirs)) = pair else { continue };
        let value = ours / theirs;
        let unit = |of: f64| format!("{of} of scim_proto");
        table::row(
            "10",
            &format!("parse and check a filter of {terms} terms"),
            &micros(*ours),
            &format!("{} of scim_proto", number(value)),
            &[Goal { value, must: 0.7, aim: 0.25, unit }],
        );
    }
}

fn print_yardstick(of_rows: Vec<f64>) {
    let low = of_rows.iter().copied().fold(f64::INFINITY, f64::min);
    let high = of_rows.iter().copied().fold(0.0, f64::max);
    if of_rows.is_empty() {
        return;
    }
    println!(
        "\nYardstick: one `serde_json::Value` parse of an event took {} µs; {} to {} µs over the rows.\n",
        number(median(of_rows)),
        number(low),
        number(high)
    );
}

#[cfg(test)]
mod tests {
    #[test]
    fn formats_numbers_with_three_digits() {
        let of = [0.000_49, 0.0804, 0.385, 2.649, 27.31, 999.4, 10_234.0, 1_234_567.0]
            .map(crate::number::number);
        let expected =
            ["0.000490", "0.0804", "0.385", "2.65", "27.3", "999", "10,200", "1,230,000"];
        assert_eq!(of, expected);
    }
}
