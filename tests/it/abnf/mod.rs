//! An interpreter for ABNF (RFC 5234): decides whether published rules derive a text.

use std::collections::HashMap;

/// The right side of a rule.
#[derive(Debug)]
enum Element {
    /// A literal, compared case-insensitively (RFC 5234 section 2.3).
    Text(String),
    /// A character in a range.
    Chars(char, char),
    Rule(String),
    Either(Vec<Element>),
    Sequence(Vec<Element>),
    Repeat {
        min: usize,
        max: usize,
        of: Box<Element>,
    },
}

/// A set of rules.
pub struct Grammar {
    rules: Vec<(String, Element)>,
    /// The index of the last rule of each name.
    index: HashMap<String, usize>,
}

impl Grammar {
    /// Reads rules. Each begins at the start of a line, and an indented line continues it.
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
            assert_eq!(reader.0.trim(), "", "{name} has text after its elements");
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

    /// Returns whether a rule derives a whole text.
    pub fn derives(&self, rule: &str, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let keys = self.rules.len() * (text.len() + 1);
        let ends = vec![Ends::new(); keys];
        let mut found = Found { grammar: self, text: &text, ends, begun: Vec::new() };
        // A rule that recurs at the same place uses the ends found so far. So the search is
        // repeated until it finds nothing new.
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

/// Removes a comment from a line; a semicolon in quotes does not begin one.
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

/// Reads elements; holds the text that is left.
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
        let min = self.run(|c| c.is_ascii_digit());
        let star = self.takes('*');
        let max = if star { self.run(|c| c.is_ascii_digit()) } else { min.clone() };
        let counted = star || !min.is_empty();
        let of = self.element();
        if !counted {
            return of;
        }
        let (min, max) = (min.parse().unwrap_or(0), max.parse().unwrap_or(usize::MAX));
        Element::Repeat { min, max, of: Box::new(of) }
    }

    fn element(&mut self) -> Element {
        if self.takes('(') {
            let inner = self.either();
            assert!(self.takes(')'));
            inner
        } else if self.takes('[') {
            let inner = self.either();
            assert!(self.takes(']'));
            Element::Repeat { min: 0, max: 1, of: Box::new(inner) }
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
            assert!(!name.is_empty(), "expected an element at {:?}", self.0);
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

/// The offsets at which an element may end, sorted and unique.
type Ends = Vec<usize>;

/// What is known about a text: the ends of each rule, by rule and start.
struct Found<'g> {
    grammar: &'g Grammar,
    text: &'g [char],
    /// The ends found so far, by rule and start.
    ends: Vec<Ends>,
    /// Whether the search of this round visited a rule and start.
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
                let found = self.text.get(at..end).is_some_and(|found| {
                    found.iter().zip(text.chars()).all(|(a, b)| a.eq_ignore_ascii_case(&b))
                });
                found.then_some(end).into_iter().collect()
            }
            Element::Chars(first, last) => {
                let found = self.text.get(at).is_some_and(|c| (*first..=*last).contains(c));
                found.then_some(at + 1).into_iter().collect()
            }
            Element::Rule(name) => self.rule(self.grammar.index(name), at),
            Element::Either(options) => options
                .iter()
                .fold(Ends::new(), |ends, option| union(ends, self.element(option, at))),
            Element::Sequence(elements) => elements
                .iter()
                .fold(vec![at], |starts, element| self.element_at_each(element, starts)),
            Element::Repeat { min, max, of } => {
                let mut all = if *min == 0 { vec![at] } else { Ends::new() };
                let mut last = vec![at];
                for count in 1..=*max {
                    last = self.element_at_each(of, last);
                    if count >= *min {
                        // Only new ends can lead to others.
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

    /// Returns the ends of an element that begins at any of these offsets.
    fn element_at_each(&mut self, element: &'g Element, starts: Ends) -> Ends {
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
