//! A module names only modules on lower floors; neighbours on one floor do not know each other.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

use std::path::{Path, PathBuf};

const FLOORS: &[&[&str]] = &[&["syntax", "event"], &["filter"], &["matcher"], &["cli", "main"]];

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|modules| modules.contains(&module))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The modules that a line of code names: behind `crate::` or `hooksieve::`, one or a list.
fn named(line: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for root in ["crate::", "hooksieve::"] {
        for (at, _) in line.match_indices(root) {
            let rest = &line[at + root.len()..];
            let list = rest.strip_prefix('{').map_or(rest, |list| list);
            let first = list.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
            names.push(first);
            if rest.starts_with('{') {
                names.extend(list.split(", ").skip(1).map(|name| name.split("::").next().unwrap()));
            }
        }
    }
    names
}

#[test]
fn modules_name_only_lower_floors() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    let mut checked = 0;
    for file in files {
        let inner = file.strip_prefix("src").unwrap();
        let module = inner.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        if module == "lib" {
            continue;
        }
        let own = floor(module).unwrap_or_else(|| panic!("{module} stands on no floor"));
        for (number, line) in std::fs::read_to_string(&file).unwrap().lines().enumerate() {
            // Documentation may point anywhere.
            if line.trim_start().starts_with("//") {
                continue;
            }
            for other in named(line).into_iter().filter(|other| *other != module) {
                let Some(other_floor) = floor(other) else { continue };
                assert!(
                    other_floor < own,
                    "{}:{}: {module} names {other}",
                    file.display(),
                    number + 1
                );
                checked += 1;
            }
        }
    }
    assert!(checked > 10, "names were found: {checked}");
}

#[test]
fn files_are_short() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    for file in files {
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 500, "{} has {lines} lines", file.display());
    }
}
