//! The suggestions for damaged filters, and the law that no suggestion is wrong.
//!
//! The law: a good filter is generated as tokens, written with damaged terms ([`Terms`]), and
//! damaged as a whole ([`WHOLES`]). Its suggestion must be the good filter, or there must be none.
//! Tables of single cases follow.
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

/// A token of a filter, so that each can be damaged on its own.
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

/// Returns a value with pieces that are hard to read without quotes.
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

/// Returns a valid filter, of the webhook profile or of the whole grammar.
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

/// The damage to the terms: how values and operators are written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
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
    /// Symbols without spaces.
    Glued,
    GluedUnquoted,
    GluedSingle,
}

const TERMS: [Terms; 12] = [
    Terms::Good,
    Terms::Unquoted,
    Terms::Raw,
    Terms::Single,
    Terms::Curly,
    Terms::Mixed,
    Terms::Symbols,
    Terms::SymbolsUnquoted,
    Terms::SymbolsSingle,
    Terms::Glued,
    Terms::GluedUnquoted,
    Terms::GluedSingle,
];

/// Writes a filter with damaged terms.
fn written(tokens: &[Token], terms: Terms) -> String {
    let glue = matches!(terms, Terms::Glued | Terms::GluedUnquoted | Terms::GluedSingle);
    let symbols =
        glue || matches!(terms, Terms::Symbols | Terms::SymbolsUnquoted | Terms::SymbolsSingle);
    let (mut text, mut last): (String, Option<&Token>) = (String::new(), None);
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
                    Terms::Good | Terms::Symbols | Terms::Glued => json.clone(),
                    Terms::Unquoted | Terms::SymbolsUnquoted | Terms::GluedUnquoted => {
                        inner.to_owned()
                    }
                    Terms::Raw => value.clone(),
                    Terms::Single | Terms::SymbolsSingle | Terms::GluedSingle => {
                        format!("'{inner}'")
                    }
                    Terms::Curly => format!("“{inner}”"),
                    Terms::Mixed => format!("„{inner}\""),
                }
            }
        };
        let glued =
            text.is_empty() || text.ends_with(['(', '[']) || matches!(piece.as_str(), ")" | "]");
        // Words need spaces around them.
        let word = |c: char| c.is_ascii_alphanumeric();
        let needs = |token: &Token| matches!(token, Token::Operator(_)) && piece.starts_with(word);
        let pr = matches!(token, Token::Plain("pr"));
        let after_word = matches!(last, Some(Token::Operator(_))) && text.ends_with(word);
        if !glued && (!glue || needs(token) || pr || after_word) {
            text.push(' ');
        }
        text.push_str(&piece);
        last = Some(token);
    }
    text
}

/// The kinds of damage to the whole text.
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

/// Percent-encodes a text, except letters, digits and the characters in `kept`.
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

/// Damages a whole text.
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

/// Returns the least share of damaged filters that must get a suggestion, in percent.
fn floor(terms: Terms) -> u32 {
    match terms {
        Terms::Good | Terms::Symbols | Terms::Glued => 70,
        Terms::Curly => 50,
        Terms::Single | Terms::SymbolsSingle => 45,
        Terms::Mixed | Terms::GluedSingle => 40,
        // Most values contain text that may not belong to a bare value.
        Terms::Unquoted | Terms::Raw | Terms::SymbolsUnquoted | Terms::GluedUnquoted => 20,
    }
}

/// The least share for each kind of damage to the whole text, in percent.
const WHOLE_FLOOR: u32 = 30;

/// Checks that each kind of damage gets at least its share of suggestions.
fn check_floors(tally: &BTreeMap<(Terms, &str, bool), (u32, u32)>) {
    let mut shares: BTreeMap<String, (u32, u32, u32)> = BTreeMap::new();
    for ((terms, whole, webhook), (given, withheld)) in tally {
        let rows = [
            (format!("{terms:?}, webhook {webhook}"), floor(*terms)),
            (format!("{whole}, webhook {webhook}"), WHOLE_FLOOR),
        ];
        for (row, floor) in rows {
            let share = shares.entry(row).or_default();
            *share = (share.0 + given, share.1 + given + withheld, floor);
        }
    }
    for (damage, (given, cases, floor)) in shares {
        println!("{damage}: {given} of {cases} given");
        assert!(given * 100 >= floor * cases, "{damage}: {given} of {cases}, below {floor} %");
    }
}

/// Returns whether the damage loses information, so that another filter is rightly suggested.
///
/// Without quotes, `a1'` is read as a value whose first quote is missing, `"a"` and `%22a%22` as
/// quoted values, and a literal as a literal.
fn loses(tokens: &[Token], terms: Terms, webhook: bool) -> bool {
    let quoted = matches!(terms, Terms::Good | Terms::Symbols | Terms::Glued);
    if quoted {
        return false;
    }
    let bare = matches!(
        terms,
        Terms::Unquoted | Terms::Raw | Terms::SymbolsUnquoted | Terms::GluedUnquoted
    );
    tokens.iter().any(|token| {
        let Token::Value(value) = token else { return false };
        // `==` before `=a` is `===` before `a`.
        let symbol =
            terms == Terms::GluedUnquoted && value.starts_with(['=', '<', '>', '~', '&', '|']);
        let literal = serde_json::from_str::<serde_json::Value>(value).is_ok();
        bare && (symbol
            || value.ends_with(['\'', '’'])
            || value.starts_with('"') && value.ends_with('"')
            || value.starts_with("%22") && value.ends_with("%22")
            || !webhook
                && (literal || matches!(value.to_lowercase().as_str(), "true" | "false" | "null")))
    })
}

/// Returns the suggestion for a refused text.
fn suggestion(text: &str, webhook: bool) -> Option<String> {
    let suggested = if webhook {
        Profile::webhook().filter(text).err()?.suggestion()?.to_owned()
    } else {
        Expr::parse(text).err()?.suggestion()?.to_owned()
    };
    Some(suggested)
}

/// Returns whether two filters are equal.
fn same(suggested: &str, good: &str, webhook: bool) -> bool {
    if webhook {
        let profile = Profile::webhook();
        profile.filter(suggested).unwrap() == profile.filter(good).unwrap()
    } else {
        Expr::parse(suggested).unwrap() == Expr::parse(good).unwrap()
    }
}

/// The suggestion for a damaged filter is the filter before the damage, or there is none.
#[test]
fn suggests_the_good_filter_or_nothing() {
    let mut tally: BTreeMap<(Terms, &str, bool), (u32, u32)> = BTreeMap::new();
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
                // Without spaces between words, the first space belongs to a value.
                if format!("{terms:?}").starts_with("Glued") && kinds.contains(&"nbsp") {
                    continue;
                }
                let damaged = kinds.iter().fold(damaged.clone(), |text, kind| whole(&text, kind));
                let accepted = if webhook {
                    Profile::webhook().filter(&damaged).is_ok()
                } else {
                    Expr::parse(&damaged).is_ok()
                };
                if accepted {
                    continue;
                }
                cases += 1;
                let suggested = suggestion(&damaged, webhook);
                let count = tally.entry((terms, kinds[0], webhook)).or_default();
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
    println!("{cases} cases: {given} suggestions given, {} withheld", cases - given);
    assert!(
        wrong.is_empty(),
        "{} wrong suggestions:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
    assert!(cases >= 10_000, "{cases} cases");
    check_floors(&tally);
}

/// Each row has a text and the whole filter that is suggested, which is empty for no suggestion.
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
        ("id==a&&spaceId==b", r#"id eq "a" and spaceId eq "b""#),
        ("id=a&spaceId=b", r#"id eq "a" and spaceId eq "b""#),
        ("id=a||spaceId!=b", r#"id eq "a" or spaceId ne "b""#),
        ("id='a'&&spaceId='b'", r#"id eq "a" and spaceId eq "b""#),
        (r#"id=="a&b"||id=="c""#, r#"id eq "a&b" or id eq "c""#),
        (r#"id eq "a" or "b""#, r#"id eq "a" or id eq "b""#),
        ("id eq a-b_c.d:e@f", r#"id eq "a-b_c.d:e@f""#),
        ("id eq https://example.com/a", r#"id eq "https://example.com/a""#),
        ("id eq O’Brien's app", r#"id eq "O’Brien's app""#),
    ];
    let scim = [
        ("active == true", "active eq true"),
        ("age > 18", "age gt 18"),
        ("manager != null", "manager ne null"),
        ("active is True", "active eq true"),
        ("a==1&&b==2", "a eq 1 and b eq 2"),
        ("userName is present", "userName pr"),
        ("userName is not present", "not(userName pr)"),
        ("manager is absent", "not(manager pr)"),
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

/// Returns message, help and place of the last problem of a filter.
fn problem(text: &str, types: Option<&[EventType]>) -> (String, String, std::ops::Range<usize>) {
    let profile = Profile::webhook();
    let checked = match types {
        Some(types) => profile.filter_for(text, types),
        None => profile.filter(text),
    };
    let error = checked.unwrap_err();
    let problem = error.iter().last().unwrap();
    (problem.message().to_owned(), problem.help().to_owned(), problem.span().unwrap().range())
}

#[test]
fn names_the_mistake() {
    for (text, message) in [
        (r#"id eq \"a1\""#, "the quotes are escaped too many times"),
        ("id eq %22a1%22", "the filter is still URL-encoded"),
        ("id eq &quot;a1&quot;", "the filter is still HTML-encoded"),
        ("filter=id eq a1", "`filter=` is not part of the filter"),
        ("'id eq \"a1\"'", "the quotes around the whole filter are not part of it"),
        (
            r#"id eq "a1”"#,
            "expected `\"` at the end of the value, found `”` (U+201D right double quotation mark)",
        ),
        (
            r#"emails[type eq "work"].value"#,
            "a value path followed by `.value` is a path of a PATCH request, not a filter",
        ),
        ("id eq \"a\u{200b}1", "value has no closing double quote"),
        ("id eq \"a\u{200b}1\\q", "`\\q` is not a JSON escape"),
        (r#"id eq ""a1"""#, "every double quote is duplicated"),
        (r#"resourceId eq "a1""#, "unknown attribute `resourceId`"),
        ("id eq “a1", "expected `\"`, found `“` (U+201C left double quotation mark)"),
        (r#"urn:a:b: User:id eq "x""#, "unexpected space after `urn:a:b:` in a URN"),
        (r#"urn:a:b :id eq "x""#, "unexpected space after `urn:a:b` in a URN"),
        (r#"urn:a:b.c.d eq "x""#, "`urn:a:b.c.d` has a dot where a colon belongs"),
        ("startswith(id,'A')", "`startswith(…)` is a function, which SCIM filters do not have"),
        (r#"App Ids eq "x""#, "`App Ids` is not an attribute"),
    ] {
        assert_eq!(problem(text, None).0, message, "{text}");
    }
    for (text, help) in [
        (
            "spaceId eq null",
            "filters cannot test whether an attribute is absent; compare with a string",
        ),
        (
            "spaceId == null",
            "filters cannot test whether an attribute is absent; compare with a string",
        ),
        ("startswith(id,'A')", "`sw` is not supported here; use eq or ne"),
        (r#"App Ids eq "x""#, "use `id` or `topLevelResourceId` instead of `App Ids`"),
    ] {
        assert_eq!(problem(text, None).1, help, "{text}");
    }
}

#[test]
fn reports_invisible_characters_at_their_place() {
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
            assert_eq!(message, format!("unexpected {name} outside a value"), "{before}·{after}");
            assert_eq!(span, before.len()..before.len() + c.len_utf8());
        }
        assert!(Profile::webhook().filter(&format!("id eq \"{c}\"")).is_ok());
    }
}

/// Other event types have a status with other values. That only one can be filtered by it is data
/// of the profile.
#[test]
fn names_the_event_type_that_can_be_filtered_by_status() {
    let types = [EventType::from("com.qlik.v1.reload.finished")];
    let (message, help, _) = problem(r#"data.status eq "FAILED""#, Some(&types));
    assert_eq!(message, "`data.status` cannot be compared with `FAILED`");
    assert_eq!(
        help,
        "events of `com.qlik.v1.reload.finished` may have that value, but only \
         `com.qlik.v1.app.reload.finished` can be filtered by `data.status`, with `\"ok\"` or `\"error\"`",
    );
}

/// A help mentions a value of another event type only if the profile lists it.
#[test]
fn mentions_only_known_values_of_other_event_types() {
    let help = |types: &[&str], text: &str| {
        let types: Vec<_> = types.iter().map(|name| EventType::from(*name)).collect();
        let error = Profile::webhook().filter_for(text, &types).unwrap_err();
        error.iter().map(|problem| problem.help().to_owned()).collect::<Vec<_>>().join("; ")
    };
    let only = "com.qlik.v1.app.reload.finished";
    let text = r#"data.status eq "FAILED""#;
    for types in
        [&[only][..], &["com.qlik.v1.app.created"], &["a"], &[only, "com.qlik.v1.user.created"]]
    {
        let help = help(types, text);
        assert!(!help.contains("may have that value"), "{types:?}");
        assert!(help.contains("\"ok\"` or `\"error\""), "{help}");
    }
    for types in [&["com.qlik.v1.automation.run.ended"][..], &[only, "com.qlik.v1.reload.finished"]]
    {
        let help = help(types, text);
        let other = types.last().unwrap();
        assert!(help.contains(&format!("events of `{other}` may have that value")), "{help}");
    }
}

/// A suggestion has to be valid for the webhook's event types.
#[test]
fn suggests_only_filters_that_the_event_types_allow() {
    let suggested = |event_type: &str| {
        let types = [EventType::from(event_type)];
        let error = Profile::webhook().filter_for("data.status eq ok", &types).unwrap_err();
        error.suggestion().map(str::to_owned)
    };
    let only = "com.qlik.v1.app.reload.finished";
    assert_eq!(suggested(only).as_deref(), Some(r#"data.status eq "ok""#));
    assert_eq!(suggested("com.qlik.v1.app.created"), None);
}

/// Text that may not belong to a value is never read as part of one.
#[test]
fn withholds_suggestions_for_doubtful_values() {
    let both = [
        // Another term, joined with symbols or not joined.
        "id=a1|a2",
        "id eq R&D",
        "id eq a=b",
        "id eq a<b",
        "id eq a;b",
        "id:a1 spaceId:b1",
        "-id:a1",
        "-id:\"a1\"",
        "-id:a1 AND spaceId:b",
        "id eq a1+or+spaceId+eq+b",
        "id eq%20a1+or+spaceId+eq+b",
        "id eq a1 xor b1",
        "id eq or",
        "id eq not",
        // Words for absence.
        "id is empty",
        "id is not empty",
        "id equals blank",
        "id is missing",
        "id is not set",
        "id is unknown",
        "id is nothing",
        "id is null",
        "id is none",
        "id /= \"a1\"",
        "id -= a1",
        "spaceId/=b",
        "id:a1~2",
        "id in \"a,b\"",
        "id in ('a,b')",
        "id not in a b",
        "id eq process.env.APP",
        "id eq non a1",
        "id eq \u{2bc}a1\u{2bc}",
        "id is no a1",
        "id == nil",
        "id is not defined yet",
        "id eq None",
        "id is one of a b",
        // Comments, clauses, wildcards, patterns and placeholders.
        "id eq a1 -- comment",
        "id eq a1 # c",
        "id eq a1 // c",
        "id eq a1 /* c */",
        "id eq a1--c",
        "id eq a1 limit 10",
        "id eq a1 order by id",
        "id eq a1 OFFSET 5",
        "id eq app*",
        "id eq *",
        "id=*",
        "id:/a.*/",
        "id:a?",
        "id:a*",
        "id eq a1.",
        "id eq a1...",
        "id eq …",
        "id eq ?",
        "id eq @id",
        "id eq %APP_ID%",
        "id eq [appId]",
        "id eq ^a1$",
        "id in (1-5)",
        // Quotes of other kinds, and encodings.
        "id eq ＂a1＂",
        "id eq ″a1″",
        "id eq ‹a1›",
        "id eq 「a1」",
        "id eq '\"a1\"'",
        "id eq '“a1”'",
        "id eq %u0022a1%u0022",
        r"id eq \x22a1\x22",
        // A list of bare operands next to another connective, and a duplicate attribute.
        r#"spaceId eq "c" and id eq "a" or "b""#,
        r#"id eq "a" or "b" and spaceId eq "c""#,
        r#"{"id":"a","id":"b"}"#,
    ];
    let webhook = [
        "id is present",
        "id eq spaceId",
        "id eq (spaceId)",
        "id in (spaceId)",
        "id eq appId",
        "id eq spaceId:b",
        "id eq 'app*'",
        "id eq 'a%'",
        "id eq ' a'",
        "id eq '{{ID}}'",
        "id eq YOUR_ID",
        "Resource Id eq a1",
        r#"resourceId eq "a1""#,
        r#"$.data.id eq "a*""#,
        "id eq event.id",
    ];
    let scim = [
        r#"emails[type eq "work"].value eq "x" or "y""#,
        r#"members[value eq "x"] eq true"#,
        r#"emails[value eq "x"].value eq "y""#,
        "active eq yes",
        "age eq 0x10",
        "age eq 0b11",
        "age eq 5kg",
        "active eq ture",
        "manager eq missing",
        "age eq NaN",
        "urn:a:b:2.0.User:userName = x",
        "urn:a:b:2.0:User.department == sales",
        "manager is null",
        "userName:b*",
        "userName is not empty",
    ];
    for (rows, webhook) in [(&both[..], true), (&both, false), (&webhook, true), (&scim, false)] {
        for text in rows {
            assert_eq!(suggestion(text, webhook), None, "{text}, webhook {webhook}");
        }
    }
}

/// Every wording that asks for absence gets the same help, and no value in quotes does.
#[test]
fn explains_that_filters_cannot_test_absence() {
    let says =
        |text: &str| problem(text, None).1.contains("cannot test whether an attribute is absent");
    for text in [
        "id is empty",
        "id is not set and spaceId eq \"b\"",
        "(id equals blank)",
        "id is undefined",
        "id == null",
        "id eq None",
        "id is absent",
        "id is not present",
        "id != undefined",
    ] {
        assert!(says(text), "{text}");
    }
    for text in ["id = \"null\"", "id = \"is null\"", "id == nullable", "id = 'is empty'"] {
        assert!(!says(text), "{text}");
    }
}

/// The number of readings bounds the work for a hostile text of maximum length.
#[test]
fn bounds_the_work_for_texts_with_many_layers() {
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
