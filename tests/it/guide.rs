//! The README and the guide: links lead somewhere, and excerpts are of files that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const GUIDE: &str = "src/guide";

fn pages() -> Vec<PathBuf> {
    let guide = fs::read_dir(GUIDE).unwrap().map(|entry| entry.unwrap().path());
    guide
        .filter(|file| file.extension().is_some_and(|ending| ending == "md"))
        .chain(["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"].map(PathBuf::from))
        .collect()
}

/// A page without its blocks of code.
fn prose(page: &Path) -> String {
    let text = fs::read_to_string(page).unwrap();
    text.split("```").step_by(2).collect()
}

/// The anchors that a code forge makes of the headings of a page.
fn anchors(page: &Path) -> BTreeSet<String> {
    let anchor = |heading: &str| {
        let kept = heading.to_lowercase().replace(' ', "-");
        kept.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
    };
    let text = prose(page);
    let headings = text.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(' '));
    headings.map(anchor).collect()
}

#[test]
fn links_lead_to_files_and_headings() {
    let mut checked = 0;
    for page in pages() {
        let text = prose(&page);
        let inline = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let defined = text.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: "));
        for target in inline.chain(defined.map(|(_, target)| target)) {
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = page.parent().unwrap().join(file);
            assert!(file.is_file(), "{}: {target}", page.display());
            let is_there = anchor.is_empty() || anchors(&file).contains(anchor);
            assert!(is_there, "{}: {target}", page.display());
            checked += 1;
        }
    }
    assert!(checked > 30, "links were found: {checked}");
}

/// A row that is wrapped is not a row.
#[test]
fn tables_have_whole_rows() {
    let mut checked = 0;
    for page in pages() {
        let text = prose(&page);
        let mut columns = None;
        for line in text.lines() {
            if !line.starts_with('|') {
                columns = None;
                continue;
            }
            // Bars in code are escaped, or do not occur.
            let bars = line.replace("\\|", "").matches('|').count();
            assert!(line.ends_with('|'), "{}: {line}", page.display());
            assert_eq!(*columns.get_or_insert(bars), bars, "{}: {line}", page.display());
            checked += 1;
        }
    }
    assert!(checked > 100, "rows were found: {checked}");
}

/// Pages name source files that exist.
#[test]
fn pages_name_files_that_exist() {
    let mut checked = 0;
    for page in pages() {
        let text = prose(&page);
        for span in text.split('`').skip(1).step_by(2) {
            let is_source = span.ends_with(".rs") && !span.contains([' ', '*', '…']);
            if is_source && ["src/", "tests/", "benches/"].iter().any(|root| span.starts_with(root))
            {
                assert!(std::path::Path::new(span).is_file(), "{}: {span}", page.display());
                checked += 1;
            }
        }
    }
    assert!(checked > 10, "files were found: {checked}");
}

/// In the documentation the labels are defined in `lib.rs`, so only a reader of the file would miss one.
#[test]
fn pages_define_the_labels_they_use() {
    for page in pages() {
        let text = prose(&page);
        for label in text.split("][").skip(1).filter_map(|rest| rest.split(']').next()) {
            let is_defined = text.contains(&format!("\n[{label}]: "));
            assert!(is_defined, "{}: [{label}]", page.display());
        }
    }
}

#[test]
fn the_index_lists_every_page() {
    let index = fs::read_to_string("src/guide/README.md").unwrap();
    for page in pages().iter().filter(|page| page.starts_with(GUIDE)) {
        let name = page.file_name().unwrap().to_str().unwrap();
        let is_listed = name == "README.md" || index.contains(&format!("]: {name}\n"));
        assert!(is_listed, "{name}");
    }
}

/// The documentation shows the picture as a `data:` URL in an attribute; see `src/lib.rs`.
#[test]
fn the_picture_fits_in_an_attribute() {
    let svg = fs::read_to_string("src/guide/matching.svg").unwrap();
    assert!(!svg.contains(['\'', '#', '%']), "these end or change a URL");
    assert!(!svg.contains("\n\n"), "an empty line ends HTML in Markdown");
}

/// Lines of an excerpt are in the server in this order; `// ...` stands for lines left out.
#[test]
fn excerpts_are_from_the_server_of_the_tests() {
    let page = fs::read_to_string("src/guide/embedding.md").unwrap();
    let server = fs::read_to_string("tests/server/dispatch.rs").unwrap();
    let excerpts: Vec<_> = page.split("```rust,ignore\n").skip(1).collect();
    assert!(excerpts.len() > 5, "excerpts were found");
    for excerpt in excerpts {
        let excerpt = excerpt.split("```").next().unwrap();
        let mut lines = server.lines();
        for line in excerpt.lines().filter(|line| line.trim() != "// ...") {
            assert!(lines.any(|known| known == line), "not in the server, or not here: {line}");
        }
    }
}

/// Pages name items as code, which rustdoc does not check: on a code forge a link to an item would
/// lead nowhere.
#[test]
fn pages_name_items_that_exist() {
    let api = fs::read_to_string("tests/data/public-api.txt").unwrap();
    let api = api.replace("<'a>", "").replace("<'_>", "");
    let others = ["serde_json::Value", "Arc::make_mut", "u64::MAX", "http::Request"];
    let mut checked = 0;
    for page in pages() {
        let text = prose(&page);
        let spans = text.split('`').skip(1).step_by(2);
        let is_path = |span: &&str| {
            let mut words = span.split("::");
            span.contains("::")
                && words.all(|word| {
                    !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || c == '_')
                })
        };
        for path in spans.filter(is_path).filter(|path| !others.contains(path)) {
            assert!(api.contains(&format!("::{path}")), "{}: {path}", page.display());
            checked += 1;
        }
    }
    assert!(checked > 30, "names were found: {checked}");
}
