//! The dependencies between the parts of the server.

use std::path::{Path, PathBuf};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, found),
            false if path.extension().is_some_and(|ending| ending == "rs") => found.push(path),
            false => {}
        }
    }
}

/// Returns the code of a file without its comments and its tests.
fn code(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Checks that the files of some parts never contain these words, and returns the number of files.
fn never(parts: &[&str], words: &[&str]) -> usize {
    let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/server");
    let mut found = Vec::new();
    files(&server, &mut found);
    let mut held = 0;
    for file in found {
        let inner = file.strip_prefix(&server).unwrap().to_str().unwrap();
        let is_test = inner.contains("/tests/") || inner.ends_with("tests.rs");
        if is_test || !parts.iter().any(|part| inner.starts_with(part)) {
            continue;
        }
        held += 1;
        let code = code(&file);
        for word in words {
            assert!(!code.contains(word), "{inner} names {word}");
        }
    }
    held
}

#[test]
fn names_a_store_backend_only_in_the_root() {
    let parts =
        ["api/", "config/", "dispatcher/", "service/", "keys.rs", "limits.rs", "listener.rs"];
    assert!(never(&parts, &["sqlite", "memory::", "rusqlite"]) > 20);
}

#[test]
fn uses_http_types_only_in_the_api() {
    let parts = ["service/", "store/", "config/", "keys.rs", "limits.rs", "ambient.rs"];
    assert!(never(&parts, &["axum", "hyper", "http::", "StatusCode"]) > 15);
}

#[test]
fn keeps_the_api_and_the_dispatcher_apart() {
    assert!(never(&["api/"], &["dispatcher", "Attempt", "registry::"]) > 8);
    assert!(never(&["dispatcher/"], &["server::api", "axum"]) > 1);
}

#[test]
fn reads_time_and_random_bytes_only_in_the_root() {
    let parts = ["api/", "dispatcher/", "service/", "store/", "limits.rs", "config/"];
    let words = ["SystemTime::now", "Instant::now", "getrandom", "std::env"];
    assert!(never(&parts, &words) > 20);
}
