//! Where webhooks may be sent: URLs when one is written, addresses when it is dialled.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

use hooksieve::webhook::{Creation, Problem, Problems, Rules, Webhook, reachable};
use serde_json::json;

fn create(url: &str) -> Result<Webhook, Problems> {
    let draft = json!({"name": "n", "url": url});
    let creation = Creation::new("w1", "u", std::time::UNIX_EPOCH.into());
    Webhook::create(&draft.into(), &Rules::default(), creation)
}

/// A row of the table in `tests/data/urls.md`.
fn urls() -> Vec<(String, String, String)> {
    let table = std::fs::read_to_string("tests/data/urls.md").unwrap();
    let cell = |text: &str| text.trim().trim_matches('`').replace("\\u007c", "|");
    table
        .lines()
        .skip_while(|line| !line.starts_with("| ---"))
        .skip(1)
        .map(|line| {
            let cells: Vec<_> = line.split(" | ").collect();
            let url = cells[0].trim_start_matches("| ").trim().trim_matches('`');
            let url = serde_json::from_str(url).unwrap();
            (url, cell(cells[1]), cells[2].trim_end_matches(" |").to_owned())
        })
        .collect()
}

#[test]
fn target_urls() {
    let rows = urls();
    assert!(rows.len() > 120);
    for (url, outcome, why) in rows {
        let actual = match create(&url) {
            Ok(webhook) => webhook.url().to_owned(),
            Err(problems) => {
                assert!(problems.iter().all(|problem| problem.pointer() == "/url"));
                problems.iter().map(Problem::code).collect::<Vec<_>>().join(", ")
            }
        };
        assert_eq!(actual, outcome, "{url:?}: {why}");
    }
}

/// What is accepted is what is sent, and is accepted again.
#[test]
fn accepted_urls_are_stable() {
    for (url, outcome, _) in urls().into_iter().filter(|row| row.1.starts_with("https://")) {
        let webhook = create(&outcome).unwrap();
        assert_eq!(webhook.url(), outcome, "{url}");
        assert!(outcome.is_ascii());
    }
    // Percent-encoded it would be too long, so it is shown as written.
    let long = format!("https://hooks.example.com/{}", "é".repeat(2000));
    let webhook = create(&long).unwrap();
    assert_eq!(webhook.url().len(), 26 + 6 * 2000);
    let shown = serde_json::to_value(&webhook).unwrap();
    assert_eq!(shown["url"], long);
    assert_eq!(Webhook::read(&shown.into(), &Rules::default()).unwrap(), webhook);
    // Up to the limit it is shown as it is sent.
    for (letters, normal) in [(2022 - 6, true), (2023 - 6, false)] {
        let long = format!("https://Hooks.example.com/é{}", "x".repeat(letters));
        let webhook = create(&long).unwrap();
        let shown = serde_json::to_value(&webhook).unwrap();
        assert_eq!(shown["url"], if normal { webhook.url() } else { &long });
    }
}

/// What a message says of a URL that was repaired or is not https, and what to write instead.
#[test]
fn what_to_write_instead() {
    let write = "write `https://hooks.example.com/x`";
    for (url, title, detail) in [
        ("https://hooks.example.com\\x", "`url` has a backslash for a slash", write),
        (" https://hooks.example.com/x", "`url` has blanks or control characters around it", write),
        ("https://hooks.example.com/\tx", "`url` has a tab or a line break in it", write),
        ("https:hooks.example.com/x", "`url` has not exactly two slashes behind its scheme", write),
        ("https://hooks%2eexample.com/x", "`url` has a percent-encoded host", write),
        (
            "https://hooks.example.com/x y",
            "`url` has characters that must be percent-encoded",
            "write `https://hooks.example.com/x%20y`",
        ),
        ("http://Hooks.example.com/x", "`url` has the scheme `http`", write),
        ("ftp://hooks.example.com/x", "`url` has the scheme `ftp`", write),
        // Nobody is told to write what is refused.
        (
            "http://localhost/x",
            "`url` has the scheme `http`",
            "begin it with `https://` and the host",
        ),
    ] {
        let problems = create(url).unwrap_err();
        let first = problems.iter().next().unwrap();
        assert_eq!((first.title(), first.detail()), (title, detail), "{url:?}");
    }
}

/// Whatever is wrong at once, all that is proposed is one URL, which is accepted.
#[test]
fn proposals_are_accepted() {
    let mut proposed = 0;
    for scheme in ["https", "http", "HTTP"] {
        for slashes in ["//", "/", "///", "\\\\"] {
            for user in ["", "ann@", "ann:pass@"] {
                for port in ["", ":0", ":443", ":8443"] {
                    for path in ["", "/{x}", "/a b?c=<d>", "/a\tb"] {
                        let url = format!("{scheme}:{slashes}{user}hooks.example.com{port}{path}");
                        let Err(problems) = create(&url) else { continue };
                        let mends: std::collections::BTreeSet<_> = problems
                            .iter()
                            .filter_map(|problem| problem.detail().strip_prefix("write `"))
                            .map(|mend| mend.trim_end_matches('`'))
                            .collect();
                        assert!(mends.len() <= 1, "{url:?}: {mends:?}");
                        for mend in mends {
                            assert!(create(mend).is_ok(), "{url:?}: {mend}");
                            proposed += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(proposed > 400, "{proposed}");
}

#[test]
fn messages_about_urls_show_no_password() {
    for url in [
        "http://user:hunter2@hooks.example.com/",
        "https://user:hunter2@hooks.example.com/",
        "https://user:hunter2@ex<ample.com/",
        "https:/user:hunter2@hooks.example.com/",
        "https://user:hunter2@1.2.3.4.5/",
        "//user:hunter2@hooks.example.com/",
        "https://user:hunter2@hooks.example.com/a b",
        "https://user:hunter2@",
        "https://user:hunter2@@@:99999999/",
        "http://user.name:hunter2/hunter2@hooks.example.com/",
    ] {
        let problems = create(url).unwrap_err();
        let text = format!("{problems:?} {}", serde_json::to_string(&problems.body(None)).unwrap());
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn addresses() {
    let reached = "1.1.1.1 9.255.255.255 11.0.0.0 93.184.215.14 100.63.255.255 100.128.0.0 \
        126.255.255.255 128.0.0.0 168.63.129.15 168.63.129.17 169.253.255.255 169.255.0.0 \
        172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.0.3.0 192.88.98.255 192.88.100.0 \
        192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 198.51.99.255 198.51.101.0 \
        203.0.112.255 203.0.114.0 223.255.255.255 2606:4700::1111 2001:200:: 2001:4860:4860::8888 \
        2000:: 2001:db7:ffff:: 2001:db9:: 2003:: 3ffe:: 3fff:1000:: 64:ff9b::1.1.1.1";
    for address in reached.split_whitespace() {
        assert_eq!(reachable(address.parse().unwrap()), Ok(()), "{address}");
    }
    for (address, block) in [
        ("0.0.0.0", "0.0.0.0/8"),
        ("10.0.0.0", "10.0.0.0/8"),
        ("10.255.255.255", "10.0.0.0/8"),
        ("100.64.0.0", "100.64.0.0/10"),
        ("100.100.100.200", "100.64.0.0/10"),
        ("100.127.255.255", "100.64.0.0/10"),
        ("127.0.0.1", "127.0.0.0/8"),
        ("127.255.255.255", "127.0.0.0/8"),
        ("168.63.129.16", "168.63.129.16/32"),
        ("169.254.169.254", "169.254.0.0/16"),
        ("172.16.0.0", "172.16.0.0/12"),
        ("172.31.255.255", "172.16.0.0/12"),
        ("192.0.0.192", "192.0.0.0/24"),
        ("192.0.2.1", "192.0.2.0/24"),
        ("192.31.196.1", "192.31.196.0/24"),
        ("192.52.193.1", "192.52.193.0/24"),
        ("192.175.48.1", "192.175.48.0/24"),
        ("192.88.99.1", "192.88.99.0/24"),
        ("192.168.1.1", "192.168.0.0/16"),
        ("198.18.0.0", "198.18.0.0/15"),
        ("198.19.255.255", "198.18.0.0/15"),
        ("198.51.100.7", "198.51.100.0/24"),
        ("203.0.113.7", "203.0.113.0/24"),
        ("224.0.0.1", "224.0.0.0/4"),
        ("239.255.255.255", "224.0.0.0/4"),
        ("240.0.0.0", "240.0.0.0/4"),
        ("255.255.255.255", "240.0.0.0/4"),
        ("::", "::/128"),
        ("::1", "::1/128"),
        ("::ffff:1.1.1.1", "::ffff:0:0/96"),
        ("::ffff:127.0.0.1", "::ffff:0:0/96"),
        ("::1.1.1.1", "::/96"),
        ("64:ff9b::10.0.0.1", "10.0.0.0/8"),
        ("64:ff9b::169.254.169.254", "169.254.0.0/16"),
        ("64:ff9b:1::1.1.1.1", "64:ff9b:1::/48"),
        ("64:ff9b:0:1::1.1.1.1", "::/3"),
        ("100::1", "::/3"),
        ("2001::1", "2001::/32"),
        ("2001:2::1", "2001::/23"),
        ("2001:1ff:ffff::", "2001::/23"),
        ("2001:db8::1", "2001:db8::/32"),
        ("2620:4f:8000::1", "2620:4f:8000::/48"),
        ("2002:7f00:1::", "2002::/16"),
        ("2002:101:101::", "2002::/16"),
        ("3fff:fff::1", "3fff::/20"),
        ("4000::", "4000::/2"),
        ("5f00::1", "4000::/2"),
        ("8000::", "8000::/1"),
        ("fd00:ec2::254", "fc00::/7"),
        ("fc00::", "fc00::/7"),
        ("fe80::1", "fe80::/10"),
        ("febf:ffff::", "fe80::/10"),
        ("fec0::1", "fec0::/10"),
        ("ff02::1", "ff00::/8"),
    ] {
        let error = reachable(address.parse().unwrap()).unwrap_err();
        assert_eq!(error.block(), block, "{address}");
        let purpose = error.purpose();
        assert_eq!(error.to_string(), format!("the address lies in {block}, {purpose}"));
    }
}
