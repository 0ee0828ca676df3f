//! Targets of webhooks: URLs when a webhook is created, addresses when it is delivered.
use hooksieve::diagnostic::{Diagnostic, Diagnostics};
use hooksieve::webhook::{NewWebhook, Rules, Webhook, check_address};
use serde_json::json;

fn create(url: &str) -> Result<Webhook, Diagnostics> {
    let document = json!({"name": "n", "url": url});
    let new = NewWebhook::new("w1", "u", std::time::UNIX_EPOCH.into());
    Webhook::create(&document.into(), &Rules::default(), new).map(|checked| checked.webhook)
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
fn checks_the_table_of_urls() {
    let rows = urls();
    assert!(rows.len() > 120);
    for (url, outcome, why) in rows {
        let actual = match create(&url) {
            Ok(webhook) => webhook.url().to_owned(),
            Err(problems) => {
                assert!(problems.iter().all(|problem| problem.pointer() == "/url"));
                problems.iter().map(Diagnostic::code).collect::<Vec<_>>().join(", ")
            }
        };
        assert_eq!(actual, outcome, "{url:?}: {why}");
    }
}

/// The form that is sent is accepted again, unchanged.
#[test]
fn accepts_what_it_sends() {
    for (url, outcome, _) in urls().into_iter().filter(|row| row.1.starts_with("https://")) {
        let webhook = create(&outcome).unwrap();
        assert_eq!(webhook.url(), outcome, "{url}");
        assert!(outcome.is_ascii());
    }
    // Percent-encoded, it would be too long, so it is shown as written.
    let long = format!("https://hooks.example.com/{}", "é".repeat(2000));
    let webhook = create(&long).unwrap();
    assert_eq!(webhook.url().len(), 26 + 6 * 2000);
    let shown = serde_json::to_value(&webhook).unwrap();
    assert_eq!(shown["url"], long);
    assert_eq!(Webhook::read(&shown.into(), &Rules::default()).unwrap().webhook, webhook);
    // Up to the limit, it is shown as it is sent.
    for (letters, normal) in [(2022 - 6, true), (2023 - 6, false)] {
        let long = format!("https://Hooks.example.com/é{}", "x".repeat(letters));
        let webhook = create(&long).unwrap();
        let shown = serde_json::to_value(&webhook).unwrap();
        assert_eq!(shown["url"], if normal { webhook.url() } else { &long });
    }
}

/// The message about a refused URL, and the suggestion, if one is certain.
#[test]
fn suggests_what_to_write_instead() {
    const HOOK: &str = "https://hooks.example.com/x";
    for (url, title, suggestion) in [
        ("https://hooks.example.com\\x", "`url` has a backslash instead of a slash", Some(HOOK)),
        ("https://hooks.example.com\\/x", "`url` has a backslash instead of a slash", Some(HOOK)),
        (
            " https://hooks.example.com/x\n",
            "`url` has blanks or control characters around it",
            Some(HOOK),
        ),
        (
            "https:hooks.example.com/x",
            "expected exactly two slashes after the scheme of `url`",
            Some(HOOK),
        ),
        ("https://hooks%2eexample.com/x", "`url` has a percent-encoded host", Some(HOOK)),
        (
            "https://hooks.example.com/x y",
            "`url` has characters that must be percent-encoded",
            None,
        ),
        (
            "https://hooks.example.com/x HTTP/1.1",
            "`url` has characters that must be percent-encoded",
            None,
        ),
        ("hooks.example.com:8443/x", "`url` has no scheme", None),
        ("localhost:8443", "`url` has no scheme", None),
        ("http://Hooks.example.com/x", "`url` must use https, not `http`", Some(HOOK)),
        ("http://hooks.example.com:80/x", "`url` must use https, not `http`", Some(HOOK)),
        ("htpps://hooks.example.com/x", "`url` must use https, not `htpps`", Some(HOOK)),
        ("hooks.example.com/x", "`url` has no scheme", Some(HOOK)),
        ("//hooks.example.com/x", "`url` has no scheme", Some(HOOK)),
        ("://hooks.example.com/x", "`url` has no scheme", Some(HOOK)),
        ("https//hooks.example.com/x", "`url` has no `:` after its scheme", Some(HOOK)),
        ("HTTP//hooks.example.com/x", "`url` has no `:` after its scheme", Some(HOOK)),
        ("https;//hooks.example.com/x", "`url` has no `:` after its scheme", Some(HOOK)),
        ("http//hooks.example.com:8080/x", "`url` has no `:` after its scheme", None),
        ("https%3A%2F%2Fhooks.example.com%2Fx", "`url` is percent-encoded as a whole", Some(HOOK)),
        ("https%3a%2f%2fhooks.example.com/x", "`url` is percent-encoded as a whole", Some(HOOK)),
        (
            "https%253A%252F%252Fhooks.example.com%252Fx",
            "`url` is percent-encoded as a whole",
            Some(HOOK),
        ),
        (
            "https%3A%2F%2Fhooks.example.com%2Fx%3Fa%3Db%2520c%26d%3D1",
            "`url` is percent-encoded as a whole",
            Some("https://hooks.example.com/x?a=b%20c&d=1"),
        ),
        ("https%3A%2F%2Fhooks.example.com/x%20y", "`url` is percent-encoded as a whole", None),
        (
            "https%3A%2F%2Fann%3Apass%40hooks.example.com%2F",
            "`url` is percent-encoded as a whole",
            None,
        ),
        ("https%3A%2F%2Fhooks.example.com%2", "`url` is percent-encoded as a whole", None),
        ("url=https://hooks.example.com/x", "`url` begins with `url=`", Some(HOOK)),
        ("url = http://hooks.example.com/x", "`url` begins with `url =`", Some(HOOK)),
        ("WEBHOOK_URL=https://hooks.example.com/x", "`url` begins with `WEBHOOK_URL=`", Some(HOOK)),
        ("POST https://hooks.example.com/x", "`url` begins with `POST`", Some(HOOK)),
        ("put  https://hooks.example.com/x", "`url` begins with `put`", Some(HOOK)),
        ("URL: https://hooks.example.com/x", "`url` begins with `URL:`", Some(HOOK)),
        ("link:<https://hooks.example.com/x>", "`url` has other text around it", Some(HOOK)),
        ("\"url\": \"https://hooks.example.com/x\",", "`url` has other text around it", Some(HOOK)),
        ("url=https://hooks.example.com/x?a=1&b=2", "`url` has other text before the URL", None),
        ("curl https://hooks.example.com/x", "`url` has other text before the URL", None),
        ("proxy=https://hooks.example.com/x", "`url` has other text before the URL", None),
        (
            "https://https://hooks.example.com/x",
            "the host of `url`, `https`, has only one label",
            Some(HOOK),
        ),
        (
            "https://hooks.example.com/x\u{200b}",
            "`url` has the invisible character U+200B",
            Some(HOOK),
        ),
        (
            "https://hooks.example.com/x\u{ad}",
            "`url` has the invisible character U+00AD",
            Some(HOOK),
        ),
        (
            "\u{200e}https://hooks.example.com/x",
            "`url` has the invisible character U+200E",
            Some(HOOK),
        ),
        (
            "https://hooks.example.com\u{200b}",
            "`url` has the invisible character U+200B",
            Some("https://hooks.example.com/"),
        ),
        ("https://hooks.example.com/a\u{200b}b", "`url` has the invisible character U+200B", None),
        // There is no suggestion if the meaning is uncertain.
        ("http://hooks.example.com:8080/x", "`url` must use https, not `http`", None),
        ("ftp://hooks.example.com/x", "`url` must use https, not `ftp`", None),
        ("wss://hooks.example.com/x", "`url` must use https, not `wss`", None),
        ("https://hooks.example.com/\tx", "`url` has a tab or a line break", None),
        ("https://a.example.com/\nhttps://b.example.com/", "`url` has a tab or a line break", None),
        (
            "https://a.example.com/ https://b.example.com/",
            "`url` has characters that must be percent-encoded",
            None,
        ),
        (
            "https://hooks.example.com/x (old)",
            "`url` has characters that must be percent-encoded",
            None,
        ),
        (
            "https://hooks.example.com/<id>/y",
            "`url` has characters that must be percent-encoded",
            None,
        ),
        (
            "https:/ann:pass@hooks.example.com/x",
            "expected exactly two slashes after the scheme of `url`",
            None,
        ),
        ("http://localhost/x", "`url` must use https, not `http`", None),
        ("http://hooks.example.com/x.", "`url` must use https, not `http`", None),
        ("index", "`url` has no scheme", None),
    ] {
        let problems = create(url).unwrap_err();
        let first = problems.iter().next().unwrap();
        assert_eq!((first.message(), first.suggestion()), (title, suggestion), "{url:?}");
        let write = suggestion.map(|suggestion| format!("write `{suggestion}`"));
        assert_eq!(first.help().contains("write `https"), write.is_some(), "{url:?}");
        assert_eq!(write.as_deref().unwrap_or(first.help()), first.help(), "{url:?}");
    }
    // A suggestion that is too long for a line of text is only in its own member.
    let long = format!("http://hooks.example.com/{}", "x".repeat(500));
    let problems = create(&long).unwrap_err();
    let first = problems.iter().next().unwrap();
    assert_eq!(first.suggestion(), Some(&*long.replace("http:", "https:")));
    assert_eq!(first.help(), "begin it with `https://` and the host");
    let body = serde_json::to_value(problems.body()).unwrap();
    assert_eq!(body["errors"][0]["suggestion"], long.replace("http:", "https:"));
}

#[test]
fn takes_urls_out_of_quotes_and_brackets() {
    const URL: &str = "https://hooks.example.com/x?a=1";
    for (written, title) in [
        (format!("<{URL}>"), "`url` is between `<` and `>`"),
        (format!("\"{URL}\""), "`url` is between `\"` and `\"`"),
        (format!("'{URL}'"), "`url` is between `'` and `'`"),
        (format!("`{URL}`"), "`url` is between ``` and ```"),
        (format!("({URL})"), "`url` is between `(` and `)`"),
        (format!("[{URL}]"), "`url` is between `[` and `]`"),
        (format!("“{URL}”"), "`url` is between `“` and `”`"),
        (format!("«{URL}»"), "`url` is between `«` and `»`"),
        (format!("\\\"{URL}\\\""), "`url` is between `\\\"` and `\\\"`"),
        (format!("\"<{URL}>\","), "`url` is between `\"<` and `>\",`"),
        (format!(" '{URL}' ; "), "`url` is between `'` and `' ;`"),
        (format!("<{URL}"), "`url` begins with `<`"),
        (format!("\"{URL}"), "`url` begins with `\"`"),
        (format!("[{URL}]({URL})"), "`url` is a link in Markdown"),
        (format!("[our hook]({URL})"), "`url` is a link in Markdown"),
        (format!("<{URL}|hooks.example.com>"), "`url` is a link in chat syntax"),
        (format!("<a href=\"{URL}\">hook</a>"), "`url` is a link in HTML"),
    ] {
        let problems = create(&written).unwrap_err();
        let found: Vec<_> =
            problems.iter().map(|problem| (problem.message(), problem.suggestion())).collect();
        assert_eq!(found, [(title, Some(URL))], "{written}");
        assert_eq!(problems.iter().next().unwrap().help(), format!("write `{URL}`"));
    }
    // After the host, a comma is refused, and so is a single quote.
    for (written, title, url) in [
        ("https://hooks.example.com,", "`url` ends with `,`", "https://hooks.example.com"),
        ("https://hooks.example.com;", "`url` ends with `;`", "https://hooks.example.com"),
        ("https://hooks.example.com/x\"", "`url` ends with `\"`", "https://hooks.example.com/x"),
        ("https://hooks.example.com/x>.", "`url` ends with `>.`", "https://hooks.example.com/x"),
    ] {
        let problems = create(written).unwrap_err();
        let first = problems.iter().next().unwrap();
        assert_eq!((first.message(), first.suggestion()), (title, Some(url)), "{written}");
    }
    // The errors of the URL inside are reported as well.
    let codes =
        |url: &str| create(url).unwrap_err().iter().map(Diagnostic::code).collect::<Vec<_>>();
    assert_eq!(codes("<http://hooks.example.com/>"), ["url-invalid", "url-not-https"]);
    let both = create("<http://hooks.example.com/>").unwrap_err();
    assert!(both.iter().all(|p| p.suggestion() == Some("https://hooks.example.com/")));
    assert_eq!(codes("'https://localhost/'"), ["url-invalid", "url-reserved-host"]);
    let none = create("'https://localhost/'").unwrap_err();
    assert!(none.iter().all(|problem| problem.suggestion().is_none()));
    // Of two URLs in a link, either may be meant.
    let two = create("[https://a.example.com/](https://b.example.com/)").unwrap_err();
    assert!(two.iter().all(|problem| problem.suggestion().is_none()));
}

#[test]
fn asks_to_fill_in_placeholders_of_urls() {
    let detail = |url: &str| {
        let problems = create(url).unwrap_err();
        assert!(problems.iter().all(|problem| problem.suggestion().is_none()), "{url}");
        problems.iter().next().unwrap().help().to_owned()
    };
    assert_eq!(detail("https://{{HOST}}/x"), "replace the placeholder `{{HOST}}` with its value");
    assert_eq!(
        detail("https://<tenant>.example.com/"),
        "replace the placeholder `<tenant>` with its value"
    );
    assert_eq!(
        detail("https://hooks.example.com/${ID}"),
        "replace the placeholder `${ID}` with its value"
    );
    // The placeholder may be a password.
    assert_eq!(
        detail("https://ann:<secret>@ex<ample.com/"),
        "replace the placeholder with its value"
    );
}

/// For any combination of errors, the only suggestion is one URL that is accepted.
#[test]
fn suggests_one_url_that_is_accepted() {
    let (mut given, mut withheld) = (0, 0);
    for scheme in ["https", "http", "HTTP", "htps"] {
        for slashes in ["//", "/", "///", "\\\\"] {
            for user in ["", "ann@", "ann:pass@"] {
                for port in ["", ":0", ":443", ":8443"] {
                    for path in ["", "/{x}", "/a b?c=d", "/a\tb", "/x>", "/x,", "\"", "/a/../b c "]
                    {
                        let url = format!("{scheme}:{slashes}{user}hooks.example.com{port}{path}");
                        let Err(problems) = create(&url) else { continue };
                        let suggested: std::collections::BTreeSet<_> =
                            problems.iter().map(Diagnostic::suggestion).collect();
                        assert_eq!(suggested.len(), 1, "{url:?}: {suggested:?}");
                        match suggested.first().unwrap() {
                            None => withheld += 1,
                            Some(suggestion) => {
                                given += 1;
                                assert!(create(suggestion).is_ok(), "{url:?}: {suggestion}");
                                assert!(user.is_empty() && port != ":0", "{url:?}: {suggestion}");
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(given > 90 && withheld > given, "{given} given, {withheld} withheld");
}

/// The suggestion for a damaged URL is the original one, or there is none.
#[test]
fn suggests_the_url_that_was_damaged_or_none() {
    let goods = [
        "https://hooks.example.com/",
        "https://hooks.example.com/x",
        "https://hooks.example.com:8443/a/b?c=d&e=f",
        "https://hooks.example.com/a(b)",
        "https://hooks.example.com/a.b,c;d",
        "https://xn--mnchen-3ya.example/?q[]=1",
    ];
    type Damage = fn(&str) -> String;
    let damages: [Damage; 16] = [
        |url| format!("<{url}>"),
        |url| format!("\"{url}\""),
        |url| format!("'{url}',"),
        |url| format!("“{url}”."),
        |url| format!("({url})"),
        |url| format!("[x]({url})"),
        |url| format!(" {url}\n"),
        |url| format!("{url}>"),
        |url| format!("{url}\""),
        |url| url.replace("https:", "http:"),
        |url| url.replace("https:", "htpps:"),
        |url| url.replace("https:", ""),
        |url| url.replace("https://", ""),
        |url| url.replace('/', "\\/"),
        |url| url.replace("https://", "https:/"),
        |url| url.replace("https://", "https:\\\\"),
    ];
    let (mut given, mut withheld) = (0, 0);
    for good in goods {
        for (first, damage) in damages.iter().enumerate() {
            for (second, more) in damages.iter().enumerate() {
                let damaged = if first == second { damage(good) } else { more(&damage(good)) };
                let Err(problems) = create(&damaged) else { continue };
                match problems.iter().next().unwrap().suggestion() {
                    None => withheld += 1,
                    Some(suggestion) => {
                        given += 1;
                        let is_good = create(suggestion).unwrap().url() == good;
                        assert!(is_good, "{damaged:?} of {good}: {suggestion}");
                    }
                }
            }
        }
    }
    assert!(given > 800, "{given} given, {withheld} withheld");
}

/// `http`, `localhost` and loopback addresses are accepted only in development mode.
#[test]
fn accepts_local_targets_in_development_only() {
    let check = |url: &str, development: bool| {
        let rules = Rules::default().with_development(development);
        assert_eq!(rules.is_development(), development);
        let document = json!({"name": "n", "url": url});
        let new = NewWebhook::new("w1", "u", std::time::UNIX_EPOCH.into());
        Webhook::create(&document.into(), &rules, new)
            .map_err(|problems| problems.iter().map(Diagnostic::code).collect::<Vec<_>>())
            .map(|checked| checked.webhook.url().to_owned())
    };
    for (url, sent) in [
        ("http://localhost", "http://localhost/"),
        ("http://localhost:8080/hook", "http://localhost:8080/hook"),
        ("https://LOCALHOST/", "https://localhost/"),
        ("https://localhost./", "https://localhost./"),
        ("https://app.localhost/", "https://app.localhost/"),
        ("http://127.0.0.1/", "http://127.0.0.1/"),
        ("https://127.0.0.1:8443/x", "https://127.0.0.1:8443/x"),
        ("http://127.10.20.30/", "http://127.10.20.30/"),
        ("http://[::1]/", "http://[::1]/"),
        ("http://[::1]:3000/", "http://[::1]:3000/"),
        ("http://hooks.example.com/", "http://hooks.example.com/"),
    ] {
        assert_eq!(check(url, true).as_deref(), Ok(sent), "{url}");
        assert!(check(url, false).is_err(), "{url}");
    }
    for (url, code) in [
        ("http://127.1/", "url-ip-address"),
        ("http://2130706433/", "url-ip-address"),
        ("http://0x7f.0.0.1/", "url-ip-address"),
        ("http://0177.0.0.1/", "url-ip-address"),
        ("http://127.0.0.1./", "url-ip-address"),
        ("http://[0:0:0:0:0:0:0:1]/", "url-ip-address"),
        ("http://[::ffff:127.0.0.1]/", "url-ip-address"),
        ("http://0.0.0.0/", "url-ip-address"),
        ("http://[::]/", "url-ip-address"),
        ("http://10.0.0.1/", "url-ip-address"),
        ("http://192.168.1.1/", "url-ip-address"),
        ("http://93.184.215.14/", "url-ip-address"),
        ("http://localhost.localdomain/", "url-reserved-host"),
        ("http://router.lan/", "url-reserved-host"),
        ("http://metadata.google.internal/", "url-reserved-host"),
        ("http://hook/", "url-host"),
        ("http://-a.localhost/", "url-host"),
        ("ftp://localhost/", "url-not-https"),
        ("http://ann@localhost/", "url-credentials"),
        ("http://localhost:0/", "url-port"),
        ("http:/localhost/", "url-needs-repair"),
    ] {
        assert_eq!(check(url, true), Err(vec![code]), "{url}");
    }
    // A suggestion is accepted by the same rules.
    let rules = Rules::default().with_development(true);
    let document = json!({"name": "n", "url": "<http://localhost:8080/>"});
    let report = rules.check(&document.into());
    assert_eq!(report.errors()[0].suggestion(), Some("http://localhost:8080/"));
}

#[test]
fn reaches_loopback_addresses_in_development_only() {
    let (rules, development) = (Rules::default(), Rules::default().with_development(true));
    for address in ["127.0.0.1", "127.255.255.255", "::1"] {
        let address = address.parse().unwrap();
        assert_eq!(rules.check_address(address), check_address(address));
        assert!(rules.check_address(address).is_err());
        assert_eq!(development.check_address(address), Ok(()));
    }
    for address in ["0.0.0.0", "10.0.0.1", "169.254.169.254", "::", "::ffff:127.0.0.1", "fe80::1"] {
        let address = address.parse().unwrap();
        assert_eq!(development.check_address(address), check_address(address));
        assert!(development.check_address(address).is_err());
    }
    assert_eq!(development.check_address("1.1.1.1".parse().unwrap()), Ok(()));
}

#[test]
fn shows_no_password_in_messages() {
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
        let text = format!("{problems:?} {}", serde_json::to_string(&problems.body()).unwrap());
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn checks_addresses() {
    let reached = "1.1.1.1 9.255.255.255 11.0.0.0 93.184.215.14 100.63.255.255 100.128.0.0 \
        126.255.255.255 128.0.0.0 168.63.129.15 168.63.129.17 169.253.255.255 169.255.0.0 \
        172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.0.3.0 192.88.98.255 192.88.100.0 \
        192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 198.51.99.255 198.51.101.0 \
        203.0.112.255 203.0.114.0 223.255.255.255 2606:4700::1111 2001:200:: 2001:4860:4860::8888 \
        2000:: 2001:db7:ffff:: 2001:db9:: 2003:: 3ffe:: 3fff:1000:: 64:ff9b::1.1.1.1";
    for address in reached.split_whitespace() {
        assert_eq!(check_address(address.parse().unwrap()), Ok(()), "{address}");
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
        let error = check_address(address.parse().unwrap()).unwrap_err();
        let message = error.to_string();
        assert!(
            message.starts_with(&format!("the address is in {block}, ")),
            "{address}: {message}"
        );
    }
}
