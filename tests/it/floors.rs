//! The layers of the crate: a module uses only modules on lower floors, and none on its own floor.

use std::path::{Path, PathBuf};

const FLOORS: &[&[&str]] = &[
    &["diagnostic"],
    &["syntax", "event"],
    &["filter"],
    &["matcher", "webhook"],
    &["delivery"],
    &["registry"],
    &["server"],
    &["cli", "main"],
];

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

/// Returns the code of a file as one line, without comments.
fn code(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    lines.collect::<Vec<_>>().join(" ")
}

/// Returns the modules that code names after `crate::` or `hooksieve::`, one or a list.
fn named(code: &str) -> Vec<&str> {
    let word = |text: &str| {
        text.len() - text.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_').len()
    };
    let mut names = Vec::new();
    for root in ["crate::", "hooksieve::"] {
        for (at, _) in code.match_indices(root) {
            let rest = &code[at + root.len()..];
            let Some(list) = rest.strip_prefix('{') else {
                names.push(&rest[..word(rest)]);
                continue;
            };
            // The first word of each item of the list; a nested list belongs to its item.
            let mut depth = 1;
            let mut at_start = true;
            for (at, c) in list.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 1 => at_start = true,
                    c if c.is_alphabetic() && at_start => {
                        names.push(&list[at..at + word(&list[at..])]);
                        at_start = false;
                    }
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
        }
    }
    names
}

#[test]
fn finds_the_modules_that_code_names() {
    let code =
        "use crate::{a::{x, y}, b, c::z}; use crate::d::e; crate::f::g() use hooksieve::{ h::i, }";
    assert_eq!(named(code), ["a", "b", "c", "d", "f", "h"]);
}

#[test]
fn uses_only_modules_on_lower_floors() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    let mut checked = 0;
    for file in files {
        let inner = file.strip_prefix("src").unwrap();
        let module = inner.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        if module == "lib" {
            continue;
        }
        let own = floor(module).unwrap_or_else(|| panic!("{module} is on no floor"));
        let code = code(&file);
        // A path to the root by `super` would not be found above, so it is not allowed.
        let to_root = if inner.ends_with("mod.rs") { "super::" } else { "super::super" };
        assert!(!code.contains(to_root), "{} uses `{to_root}`; write `crate::`", file.display());
        for other in named(&code).into_iter().filter(|other| *other != module) {
            let Some(other_floor) = floor(other) else { continue };
            assert!(
                other_floor < own,
                "{}: {module} uses {other}, which is not on a lower floor",
                file.display()
            );
            checked += 1;
        }
    }
    assert!(checked > 10, "only {checked} names were found");
}

#[test]
fn keeps_files_short() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    for file in files {
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 500, "{} has {lines} lines", file.display());
    }
}
