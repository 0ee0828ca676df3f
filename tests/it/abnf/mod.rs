//! ABNF (RFC 5234) as it is published: rules are read from text, and a text is held against them.

use std::collections::HashMap;

#[derive(Debug)]
enum Element {
    /// Letter case does not count (RFC 5234 section 2.3).
    Text(String),
    Chars(char, char),
    Rule(String),
    Either(Vec<Element>),
    Sequence(Vec<Element>),
    Repeat {
        least: usize,
        most: usize,
        of: Box<Element>,
    },
}

pub struct Grammar {
    rules: Vec<(String, Element)>,
    /// The last rule of each name.
    index: HashMap<String, usize>,
}

impl Grammar {
    /// Reads rules, each from the start of a line; a line that begins with white space goes on.
    pub fn new(text: &str) -> Self {
        let mut rules: Vec<String> = Vec::new();
        for line in text.lines().map(without_comment).filter(|line| !line.trim().is_empty()) {
            match rules.last_mut() {
                Some(rule) if line.starts_with(' ') => rule.push_str(line),
                _ => rules.push(line.to_owned()),
            }
        }
        let rules = rules.iter().map(|rule| {
            let (name, elements) = rule.split_once('=').unwrap();
            let mut reader = Reader(elements);
            let element = reader.either();
            assert_eq!(reader.0.trim(), "", "{name} was read to its end");
            (name.trim().to_owned(), element)
        });
        let rules: Vec<_> = rules.collect();
        let index = rules.iter().enumerate().map(|(at, (name, _))| (name.clone(), at)).collect();
        Self { rules, index }
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.index.keys().map(String::as_str)
    }

    fn index(&self, name: &str) -> usize {
        *self.index.get(name).unwrap_or_else(|| panic!("there is no rule {name}"))
    }

    /// Whether the rule derives the whole text.
    pub fn derives(&self, rule: &str, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let keys = self.rules.len() * (text.len() + 1);
        let ends = vec![Ends::new(); keys];
        let mut found = Found { grammar: self, text: &text, ends, begun: Vec::new() };
        // A rule that meets itself at the same place gets what is known of it so far; so all is
        // done again until nothing new is found.
        loop {
            let before = found.count();
            found.begun = vec![false; keys];
            if found.rule(self.index(rule), 0).contains(&text.len()) {
                return true;
            }
            if found.count() == before {
                return false;
            }
        }
    }
}

/// A quoted semicolon begins no comment.
fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    for (at, c) in line.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ';' if !quoted => return &line[..at],
            _ => {}
        }
    }
    line
}

struct Reader<'t>(&'t str);

impl Reader<'_> {
    fn takes(&mut self, c: char) -> bool {
        self.0 = self.0.trim_start();
        let rest = self.0.strip_prefix(c);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn run(&mut self, of: impl Fn(char) -> bool) -> String {
        let end = self.0.find(|c| !of(c)).unwrap_or(self.0.len());
        let (run, rest) = self.0.split_at(end);
        self.0 = rest;
        run.to_owned()
    }

    fn either(&mut self) -> Element {
        let mut options = vec![self.sequence()];
        while self.takes('/') {
            options.push(self.sequence());
        }
        Element::Either(options)
    }

    fn sequence(&mut self) -> Element {
        let mut elements = Vec::new();
        while !self.0.trim_start().is_empty() && !self.0.trim_start().starts_with(['/', ')', ']']) {
            elements.push(self.repetition());
        }
        Element::Sequence(elements)
    }

    fn repetition(&mut self) -> Element {
        self.0 = self.0.trim_start();
        let least = self.run(|c| c.is_ascii_digit());
        let star = self.takes('*');
        let most = if star { self.run(|c| c.is_ascii_digit()) } else { least.clone() };
        let counted = star || !least.is_empty();
        let of = self.element();
        if !counted {
            return of;
        }
        let (least, most) = (least.parse().unwrap_or(0), most.parse().unwrap_or(usize::MAX));
        Element::Repeat { least, most, of: Box::new(of) }
    }

    fn element(&mut self) -> Element {
        if self.takes('(') {
            let inner = self.either();
            assert!(self.takes(')'));
            inner
        } else if self.takes('[') {
            let inner = self.either();
            assert!(self.takes(']'));
            Element::Repeat { least: 0, most: 1, of: Box::new(inner) }
        } else if self.takes('"') {
            let text = self.run(|c| c != '"');
            assert!(self.takes('"'));
            Element::Text(text)
        } else if self.takes('<') {
            let name = self.run(|c| c != '>');
            assert!(self.takes('>'));
            Element::Rule(name)
        } else if self.takes('%') {
            assert!(self.takes('x'));
            self.chars()
        } else {
            let name = self.run(|c| c.is_ascii_alphanumeric() || c == '-');
            assert!(!name.is_empty(), "an element stands at {:?}", self.0);
            Element::Rule(name)
        }
    }

    fn chars(&mut self) -> Element {
        let first = self.code();
        if self.0.starts_with('-') {
            self.0 = &self.0[1..];
            return Element::Chars(first, self.code());
        }
        let mut codes = vec![Element::Chars(first, first)];
        while let Some(rest) = self.0.strip_prefix('.') {
            self.0 = rest;
            let code = self.code();
            codes.push(Element::Chars(code, code));
        }
        Element::Sequence(codes)
    }

    fn code(&mut self) -> char {
        let digits = self.run(|c| c.is_ascii_hexdigit());
        char::from_u32(u32::from_str_radix(&digits, 16).unwrap()).unwrap()
    }
}

/// Ascending, each once.
type Ends = Vec<usize>;

/// What is known of a text: where each rule may end, by where it begins.
struct Found<'g> {
    grammar: &'g Grammar,
    text: &'g [char],
    /// By rule and beginning.
    ends: Vec<Ends>,
    /// Begun in this round.
    begun: Vec<bool>,
}

impl<'g> Found<'g> {
    fn count(&self) -> usize {
        self.ends.iter().map(Vec::len).sum()
    }

    fn rule(&mut self, rule: usize, at: usize) -> Ends {
        let key = rule * (self.text.len() + 1) + at;
        if !std::mem::replace(&mut self.begun[key], true) {
            let grammar = self.grammar;
            let found = self.element(&grammar.rules[rule].1, at);
            let known = std::mem::take(&mut self.ends[key]);
            self.ends[key] = union(known, found);
        }
        self.ends[key].clone()
    }

    fn element(&mut self, element: &'g Element, at: usize) -> Ends {
        match element {
            Element::Text(text) => {
                let end = at + text.len();
                let stands = self.text.get(at..end).is_some_and(|found| {
                    found.iter().zip(text.chars()).all(|(a, b)| a.eq_ignore_ascii_case(&b))
                });
                stands.then_some(end).into_iter().collect()
            }
            Element::Chars(first, last) => {
                let stands = self.text.get(at).is_some_and(|c| (*first..=*last).contains(c));
                stands.then_some(at + 1).into_iter().collect()
            }
            Element::Rule(name) => self.rule(self.grammar.index(name), at),
            Element::Either(options) => options
                .iter()
                .fold(Ends::new(), |ends, option| union(ends, self.element(option, at))),
            Element::Sequence(elements) => {
                elements.iter().fold(vec![at], |starts, element| self.behind(element, starts))
            }
            Element::Repeat { least, most, of } => {
                let mut all = if *least == 0 { vec![at] } else { Ends::new() };
                let mut last = vec![at];
                for count in 1..=*most {
                    last = self.behind(of, last);
                    if count >= *least {
                        // Only what is new can lead on.
                        last.retain(|end| !all.contains(end));
                        all = union(all, last.clone());
                    }
                    if last.is_empty() {
                        break;
                    }
                }
                all
            }
        }
    }

    /// Where an element ends that begins at one of these places.
    fn behind(&mut self, element: &'g Element, starts: Ends) -> Ends {
        starts
            .into_iter()
            .fold(Ends::new(), |ends, start| union(ends, self.element(element, start)))
    }
}

fn union(mut one: Ends, other: Ends) -> Ends {
    if one.is_empty() {
        return other;
    }
    if !other.is_empty() {
        one.extend(other);
        one.sort_unstable();
        one.dedup();
    }
    one
}
