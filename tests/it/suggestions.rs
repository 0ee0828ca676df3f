//! Suggestions: what is suggested for damaged filters, and the law that a suggestion is never wrong.
use hooksieve::event::EventType;
use hooksieve::filter::Profile;
use hooksieve::syntax::Expr;
use std::collections::BTreeMap;

/// Random choices from a seed (splitmix64), the same on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % count as u64) as usize
    }

    fn pick<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.below(items.len())]
    }
}

/// A filter as a list of tokens, so that each can be damaged.
#[derive(Clone, PartialEq)]
enum Token {
    /// A bracket, a path or `pr`.
    Plain(&'static str),
    Operator(&'static str),
    Connective(&'static str),
    Value(String),
    Literal(&'static str),
}

const WORDS: [&str; 42] = [
    "a",
    "B7",
    "spaceId123",
    "my",
    "app",
    "and",
    "or",
    "not",
    "eq",
    "null",
    "true",
    "5",
    "é",
    "日本",
    "%",
    "%20",
    "%22",
    "50%",
    "+",
    "a+b",
    "\\",
    "\\n",
    "\"",
    "'",
    "(",
    ")",
    "[",
    "]",
    "&",
    "&&",
    "&amp;",
    "R&D",
    "=",
    "==",
    ",",
    ";",
    "{x}",
    "|",
    "<",
    ":",
    "it's",
    "O’Brien",
];

fn value(random: &mut Random) -> String {
    if random.below(3) == 0 {
        return format!("id-{}", random.below(1000));
    }
    let mut value = String::new();
    for at in 0..=random.below(4) {
        if at > 0 && random.below(4) > 0 {
            value.push(' ');
        }
        value.push_str(random.pick(&WORDS));
    }
    value
}

fn good(random: &mut Random, webhook: bool) -> Vec<Token> {
    let mut tokens = Vec::new();
    let terms = 1 + random.below(3);
    let open = if terms > 1 && random.below(3) == 0 { random.below(terms) } else { terms };
    for at in 0..terms {
        if at > 0 {
            tokens.push(Token::Connective(random.pick(&["and", "or"])));
        }
        if at == open {
            tokens.push(Token::Plain(if webhook || random.below(2) == 0 { "(" } else { "not (" }));
        }
        if webhook {
            let path = random.pick(&["id", "spaceId", "topLevelResourceId"]);
            tokens.push(Token::Plain(path));
            tokens.push(Token::Operator(random.pick(&["eq", "ne"])));
            tokens.push(Token::Value(value(random)));
        } else {
            let path =
                random.pick(&["userName", "name.familyName", "active", "urn:a:b:User:title"]);
            let value_path = random.below(6) == 0;
            if value_path {
                tokens.push(Token::Plain("emails["));
            }
            tokens.push(Token::Plain(path));
            match random.below(6) {
                0 => tokens.push(Token::Plain("pr")),
                1 => {
                    tokens.push(Token::Operator(random.pick(&["eq", "ne", "gt", "le"])));
                    tokens.push(Token::Literal(
                        random.pick(&["true", "false", "null", "18", "-1.5"]),
                    ));
                }
                _ => {
                    tokens
                        .push(Token::Operator(random.pick(&["eq", "ne", "co", "sw", "ge", "lt"])));
                    tokens.push(Token::Value(value(random)));
                }
            }
            if value_path {
                tokens.push(Token::Plain("]"));
            }
        }
    }
    if open < terms {
        tokens.push(Token::Plain(")"));
    }
    tokens
}

/// How values and operators are written.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Terms {
    Good,
    Unquoted,
    /// The value itself, without its escapes.
    Raw,
    Single,
    Curly,
    Mixed,
    Symbols,
    SymbolsUnquoted,
    SymbolsSingle,
}

const TERMS: [Terms; 9] = [
    Terms::Good,
    Terms::Unquoted,
    Terms::Raw,
    Terms::Single,
    Terms::Curly,
    Terms::Mixed,
    Terms::Symbols,
    Terms::SymbolsUnquoted,
    Terms::SymbolsSingle,
];

fn written(tokens: &[Token], terms: Terms) -> String {
    let symbols = matches!(terms, Terms::Symbols | Terms::SymbolsUnquoted | Terms::SymbolsSingle);
    let mut text = String::new();
    for token in tokens {
        let piece = match token {
            Token::Plain(piece) | Token::Literal(piece) => (*piece).to_owned(),
            Token::Operator(word) if symbols => match *word {
                "eq" => "==",
                "ne" => "!=",
                "gt" => ">",
                "ge" => ">=",
                "lt" => "<",
                "le" => "<=",
                other => other,
            }
            .to_owned(),
            Token::Connective(word) if symbols => {
                if *word == "and" { "&&" } else { "||" }.to_owned()
            }
            Token::Operator(word) | Token::Connective(word) => (*word).to_owned(),
            Token::Value(value) => {
                let json = serde_json::to_string(value).unwrap();
                let inner = &json[1..json.len() - 1];
                match terms {
                    Terms::Good | Terms::Symbols => json.clone(),
                    Terms::Unquoted | Terms::SymbolsUnquoted => inner.to_owned(),
                    Terms::Raw => value.clone(),
                    Terms::Single | Terms::SymbolsSingle => format!("'{inner}'"),
                    Terms::Curly => format!("“{inner}”"),
                    Terms::Mixed => format!("„{inner}\""),
                }
            }
        };
        let glued =
            text.is_empty() || text.ends_with(['(', '[']) || matches!(piece.as_str(), ")" | "]");
        if !glued {
            text.push(' ');
        }
        text.push_str(&piece);
    }
    text
}

/// What is done to the whole text.
const WHOLES: [&str; 17] = [
    "none",
    "json",
    "quotes",
    "percent",
    "uri",
    "form",
    "html",
    "html-numbers",
    "prefix",
    "option",
    "query",
    "outer",
    "outer-single",
    "outer-curly",
    "string",
    "csv",
    "nbsp",
];

fn percent(text: &str, kept: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte) {
            encoded.push(byte as char);
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn whole(text: &str, kind: &str) -> String {
    match kind {
        "none" => text.to_owned(),
        "json" => {
            let json = serde_json::to_string(text).unwrap();
            json[1..json.len() - 1].to_owned()
        }
        "quotes" => text.replace('"', "\\\""),
        "percent" => percent(text, "-_.!~*'()"),
        "uri" => percent(text, ";/?:@&=+$,#-_.!~*'()"),
        "form" => percent(text, "-_.* ").replace(' ', "+"),
        "html" => text
            .replace('&', "&amp;")
            .replace('"', "&quot;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('\'', "&#39;"),
        "html-numbers" => text.replace('&', "&#38;").replace('"', "&#x22;"),
        "prefix" => format!("filter={text}"),
        "option" => format!("--filter \"{text}\""),
        "query" => format!("?filter={}", percent(text, "-_.~")),
        "outer" => format!("\"{text}\""),
        "outer-single" => format!("'{text}'"),
        "outer-curly" => format!("“{text}”"),
        "string" => serde_json::to_string(text).unwrap(),
        "csv" => format!("\"{}\"", text.replace('"', "\"\"")),
        "nbsp" => text.replacen(' ', "\u{a0}", 1),
        other => panic!("{other}"),
    }
}

/// Whether damage loses what tells a value from other text. `a1'` is read as a value whose other quote
/// is missing, `N'a'` and `"a"` as strings, `%22a%22` as an encoded one, and a literal as a literal; and
/// a value that reads as a value, a connective and a term is read as these.
fn loses(tokens: &[Token], terms: Terms, webhook: bool) -> bool {
    let quoted = matches!(terms, Terms::Good | Terms::Symbols);
    if quoted {
        return false;
    }
    let bare = matches!(terms, Terms::Unquoted | Terms::Raw | Terms::SymbolsUnquoted);
    tokens.iter().any(|token| {
        let Token::Value(value) = token else { return false };
        let literal = serde_json::from_str::<serde_json::Value>(value).is_ok();
        bare && (value.ends_with(['\'', '’'])
            || value.starts_with('"') && value.ends_with('"')
            || value.starts_with("%22") && value.ends_with("%22")
            || !webhook
                && (literal || matches!(value.to_lowercase().as_str(), "true" | "false" | "null")))
    })
}

fn suggestion(text: &str, webhook: bool) -> Option<String> {
    let suggested = if webhook {
        Profile::webhook().filter(text, None).err()?.suggestion()?.to_owned()
    } else {
        Expr::parse(text).err()?.suggestion()?.to_owned()
    };
    Some(suggested)
}

fn same(suggested: &str, good: &str, webhook: bool) -> bool {
    if webhook {
        let profile = Profile::webhook();
        profile.filter(suggested, None).unwrap() == profile.filter(good, None).unwrap()
    } else {
        Expr::parse(suggested).unwrap() == Expr::parse(good).unwrap()
    }
}

/// A damaged filter is given back as it was, or no suggestion is made.
#[test]
fn suggests_the_good_filter_or_nothing() {
    let mut tally: BTreeMap<(String, bool), (u32, u32)> = BTreeMap::new();
    let (mut cases, mut given, mut wrong) = (0, 0, Vec::new());
    for seed in 0..500 {
        let mut random = Random(seed);
        let webhook = seed % 2 == 0;
        let tokens = good(&mut random, webhook);
        let good = written(&tokens, Terms::Good);
        for terms in TERMS {
            if loses(&tokens, terms, webhook) {
                continue;
            }
            let damaged = written(&tokens, terms);
            let second = random.pick(&WHOLES);
            for kinds in [vec!["none"], vec![second], vec![second, random.pick(&WHOLES)]] {
                let damaged = kinds.iter().fold(damaged.clone(), |text, kind| whole(&text, kind));
                let accepted = if webhook {
                    Profile::webhook().filter(&damaged, None).is_ok()
                } else {
                    Expr::parse(&damaged).is_ok()
                };
                if accepted {
                    continue;
                }
                cases += 1;
                let suggested = suggestion(&damaged, webhook);
                let count = tally.entry((format!("{terms:?} {}", kinds[0]), webhook)).or_default();
                match suggested {
                    None => count.1 += 1,
                    Some(suggested) => {
                        count.0 += 1;
                        given += 1;
                        if !same(&suggested, &good, webhook) {
                            wrong.push(format!(
                                "{terms:?} {kinds:?}\n  {good}\n  {damaged}\n  {suggested}"
                            ));
                        }
                    }
                }
            }
        }
    }
    for ((damage, webhook), (given, withheld)) in &tally {
        println!("{damage}, webhook {webhook}: {given} given, {withheld} withheld");
    }
    println!("{cases} cases: {given} suggestions given, {} withheld", cases - given);
    assert!(
        wrong.is_empty(),
        "{} wrong suggestions:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
    assert!(cases >= 10_000, "{cases} cases");
    assert!(
        given * 3 >= cases,
        "a third of the damaged filters get a suggestion: {given} of {cases}"
    );
}

/// Each row is one kind of mistake with some of its neighbours: the text, and the whole filter that is
/// suggested.
#[test]
fn suggests_one_filter_for_each_kind_of_mistake() {
    let webhook = [
        (r#"id eq \"a1\""#, r#"id eq "a1""#),
        (r#"id eq \\\"a1\\\""#, r#"id eq "a1""#),
        (r"id eq \'a1\'", r#"id eq "a1""#),
        ("id eq %22a1%22", r#"id eq "a1""#),
        (r#"id+eq+"a1""#, r#"id eq "a1""#),
        (r#"id eq%20"a1""#, r#"id eq "a1""#),
        ("id%20eq%20%22a%2Bb%22", r#"id eq "a+b""#),
        ("id%2520eq%2520%2522a1%2522", r#"id eq "a1""#),
        ("id eq &quot;R&amp;D&quot;", r#"id eq "R&D""#),
        (r#"id eq my app name or spaceId eq "b""#, r#"id eq "my app name" or spaceId eq "b""#),
        ("(id eq my app) and spaceId eq b", r#"id eq "my app" and spaceId eq "b""#),
        (r#"id eq N"a1""#, r#"id eq "a1""#),
        ("id eq N'a1'", r#"id eq "a1""#),
        ("id eq a1'", r#"id eq "a1""#),
        ("id eq id123 or spaceId eq spaceId123", r#"id eq "id123" or spaceId eq "spaceId123""#),
        ("id eq 5", r#"id eq "5""#),
        ("id eq true and spaceId = s", ""),
        ("filter=id eq a1", r#"id eq "a1""#),
        (r#"--filter="id eq "a" or id eq "b"""#, r#"id eq "a" or id eq "b""#),
        (r#"{"filter": "id eq \"a1\""}"#, r#"id eq "a1""#),
        (r#""filter": "id eq \"a1\"","#, r#"id eq "a1""#),
        ("id = 'a' && spaceId != 'b'", r#"id eq "a" and spaceId ne "b""#),
        (r#"id in ("a","b")"#, r#"id eq "a" or id eq "b""#),
        (r#"id not in ('a', 'b')"#, r#"id ne "a" and id ne "b""#),
        (r#"id eq "a","b""#, r#"id eq "a" or id eq "b""#),
        (r#"id:"a1""#, r#"id eq "a1""#),
        (r#"{"id":"a1"}"#, r#"id eq "a1""#),
        (r#"data.attributes.id eq "x""#, r#"id eq "x""#),
        (r#"$.data.status eq "ok""#, r#"data.status eq "ok""#),
        (r#"data['id'] eq "x""#, r#"id eq "x""#),
        (r#"/data/dataTask/id eq "x""#, r#"id eq "x""#),
        (r#"event.spaceid eq "x""#, r#"spaceId eq "x""#),
        (r#"Space Ids eq "x""#, r#"spaceId eq "x""#),
        ("id\u{a0}eq\u{200b} \"a\u{a0}1\"", "id eq \"a\\u00a01\""),
        ("spaceId eq null", ""),
        ("spaceId == NULL", ""),
        (r#"id like "a%""#, ""),
        ("startswith(id,'A')", ""),
        (r#"data.appId eq "x""#, ""),
        (r#"App Ids eq "x""#, ""),
        (r#"$.id eq "x""#, ""),
        ("id eq a%20b", ""),
        ("id eq black or white", ""),
        ("id eq a or b eq c", ""),
        ("id eq a, b", ""),
        (r#"id eq "C:\""#, ""),
        ("id eq ${ID}", ""),
    ];
    let scim = [
        ("active == true", "active eq true"),
        ("age > 18", "age gt 18"),
        ("manager != null", "manager ne null"),
        ("active is True", "active eq true"),
        ("userName eq bjensen and active eq true", r#"userName eq "bjensen" and active eq true"#),
        ("zip eq 12345 and name eq bob", ""),
        (r#"emails[type eq "work"].value eq "x""#, r#"emails[type eq "work" and value eq "x"]"#),
        (r#"emails[type eq "work"] eq "x""#, r#"emails[type eq "work" and value eq "x"]"#),
        (r#"emails[type eq "work"].value"#, ""),
        ("startswith(id,'A')", r#"id sw "A""#),
        (r#"endswith(userName, "z") eq true"#, r#"userName ew "z""#),
        (r#"id like "a%""#, r#"id sw "a""#),
        (r#"id like '%a%'"#, r#"id co "a""#),
        (r#"id like "a""#, ""),
        (r#"id like "a_%""#, ""),
        ("urn:a:b:2.0:User.name.first eq \"x\"", "urn:a:b:2.0:User:name.first eq \"x\""),
        ("urn:a:b:2.0.User.userName pr", "urn:a:b:2.0:User:userName pr"),
        ("urn:a:b: User:userName pr", "urn:a:b:User:userName pr"),
    ];
    for (rows, webhook) in [(&webhook[..], true), (&scim[..], false)] {
        for (text, expected) in rows {
            let found = suggestion(text, webhook).unwrap_or_default();
            assert_eq!(found, *expected, "{text}");
        }
    }
}

/// What the first problem of a filter says, and where.
fn problem(text: &str, types: Option<&[EventType]>) -> (String, String, std::ops::Range<usize>) {
    let error = Profile::webhook().filter(text, types).unwrap_err();
    let problem = error.problems().last().unwrap();
    (problem.message.clone(), problem.help.to_owned(), problem.span.range())
}

#[test]
fn names_the_mistake() {
    for (text, message) in [
        (r#"id eq \"a1\""#, "the quotes are escaped once too often"),
        ("id eq %22a1%22", "the filter is still URL-encoded"),
        ("id eq &quot;a1&quot;", "the filter is still HTML-encoded"),
        ("filter=id eq a1", "`filter=` is not part of the filter"),
        ("'id eq \"a1\"'", "the quotes around the whole filter are not part of it"),
        (r#"id eq "a1”"#, "`”` does not close a value: it is U+201D right double quotation mark"),
        (
            r#"emails[type eq "work"].value"#,
            "a value path with the sub-attribute `value` is a path of PATCH, not a filter",
        ),
        ("id eq “a1", "`“` is U+201C left double quotation mark, not a double quote"),
        (r#"urn:a:b: User:id eq "x""#, "a blank follows `urn:a:b:`, and a URN holds none"),
        (r#"urn:a:b :id eq "x""#, "a blank follows `urn:a:b`, and a URN holds none"),
        (r#"urn:a:b.c.d eq "x""#, "`urn:a:b.c.d` has a dot where a colon belongs"),
        ("startswith(id,'A')", "`startswith(…)` is a function, which SCIM filters do not have"),
        (r#"App Ids eq "x""#, "`App Ids` is not an attribute"),
    ] {
        assert_eq!(problem(text, None).0, message, "{text}");
    }
    for (text, help) in [
        ("spaceId eq null", "absence cannot be asked for with this profile: compare with a string"),
        ("spaceId == null", "use `eq`; absence cannot be asked for with this profile"),
        ("startswith(id,'A')", "`sw` is not supported here, use eq or ne"),
        (r#"App Ids eq "x""#, "`App Ids` is written `id` or `topLevelResourceId` here"),
    ] {
        assert_eq!(problem(text, None).1, help, "{text}");
    }
}

#[test]
fn names_characters_without_form_at_their_place() {
    for (c, name) in [
        ('\u{a0}', "U+00A0 no-break space"),
        ('\u{ad}', "U+00AD soft hyphen"),
        ('\u{200b}', "U+200B zero-width space"),
        ('\u{2028}', "U+2028 line separator"),
        ('\u{feff}', "U+FEFF byte order mark"),
    ] {
        for (before, after) in
            [("", "id eq \"a\""), ("id", " eq \"a\""), ("id eq ", "\"a\""), ("id eq \"a\"", "")]
        {
            let (message, _, span) = problem(&format!("{before}{c}{after}"), None);
            assert_eq!(message, format!("{name} outside of a value"), "{before}·{after}");
            assert_eq!(span, before.len()..before.len() + c.len_utf8());
        }
        assert!(Profile::webhook().filter(&format!("id eq \"{c}\""), None).is_ok());
    }
}

/// Other events have a status of other words; that only one event type can be filtered by it is data of
/// the profile.
#[test]
fn says_which_event_type_can_be_filtered_by_status() {
    let types = [EventType::from("com.qlik.v1.reload.finished")];
    let (message, help, _) = problem(r#"data.status eq "FAILED""#, Some(&types));
    assert_eq!(message, "`data.status` cannot be compared with `FAILED`");
    assert_eq!(
        help,
        "events of `com.qlik.v1.reload.finished` may have that value, but only \
         `com.qlik.v1.app.reload.finished` can be filtered by `data.status`, with `\"ok\"` or `\"error\"`",
    );
}

/// A suggestion is made for the webhook's event types.
#[test]
fn suggests_what_the_event_types_allow() {
    let suggested = |event_type: &str| {
        let types = [EventType::from(event_type)];
        let error = Profile::webhook().filter("data.status eq ok", Some(&types)).unwrap_err();
        error.suggestion().map(str::to_owned)
    };
    let only = "com.qlik.v1.app.reload.finished";
    assert_eq!(suggested(only).as_deref(), Some(r#"data.status eq "ok""#));
    assert_eq!(suggested("com.qlik.v1.app.created"), None);
}

/// Hostile texts at the limit get an answer; work is bounded by readings, not by time.
#[test]
fn bounds_texts_that_show_every_layer() {
    for piece in [
        "%25",
        "&amp;",
        "\\\"",
        "'a'",
        "\"\"",
        "id eq 'a",
        "a[b eq \"c\"].",
        "{\"a\":1,",
        "+%20",
        "urn:a: ",
    ] {
        let text = piece.repeat(32_768 / piece.len());
        let error = Expr::parse(&text).unwrap_err();
        assert!(error.suggestion().is_none_or(|suggested| Expr::parse(suggested).is_ok()));
    }
}
