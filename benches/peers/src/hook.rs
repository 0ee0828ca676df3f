//! The only file of this program that uses hooksieve's API.

use crate::engines::Engine;
use crate::load::Input;
use crate::term::{ATTRIBUTES, Term};
use crate::workload::{TENANT, TYPE};
use hooksieve::filter::Profile;
use hooksieve::matcher::{Access, Matcher, Scratch, Subscription};
use hooksieve::syntax::{CompareOp, Expr, ExprKind, ExprRef, Value};
use std::sync::LazyLock;

static PROFILE: LazyLock<Profile> = LazyLock::new(Profile::webhook);

pub type Event = hooksieve::event::Event<'static>;

pub fn read(bytes: &'static [u8]) -> Event {
    PROFILE.read_event(bytes).unwrap()
}

pub fn attribute<'e>(event: &'e Event, name: &str) -> Option<&'e str> {
    event.attribute(name)
}

/// Parses a filter into the tree that is translated for the other engines.
pub fn term(text: &str) -> Term {
    walk(Expr::parse(text).unwrap().root())
}

fn walk(part: ExprRef<'_>) -> Term {
    match part.kind() {
        ExprKind::And(operands) => Term::And(operands.map(walk).collect()),
        ExprKind::Or(operands) => Term::Or(operands.map(walk).collect()),
        ExprKind::Compare { path, operator, value: Value::String(value) } => Term::Compare {
            attribute: ATTRIBUTES.iter().position(|name| *name == path.as_str()).unwrap(),
            equal: match operator {
                CompareOp::Eq => true,
                CompareOp::Ne => false,
                other => panic!("`{other}` is not generated"),
            },
            value: value.to_string(),
        },
        other => panic!("{other:?} is not generated"),
    }
}

fn subscription(text: &str) -> Result<Subscription, String> {
    let filter = PROFILE.filter(text).map_err(|error| error.to_string())?;
    Ok(Subscription::new(TENANT, [TYPE], filter))
}

/// hooksieve's matcher.
pub struct Index {
    matcher: Matcher,
    scratch: Scratch,
    reads: bool,
}

impl Index {
    pub fn of_attributes() -> Self {
        Self { matcher: Matcher::new(&PROFILE), scratch: Scratch::default(), reads: false }
    }

    pub fn of_bytes() -> Self {
        Self { reads: true, ..Self::of_attributes() }
    }
}

impl Engine for Index {
    fn insert(&mut self, webhook: u32, filter: &str) -> Result<(), String> {
        let slot =
            self.matcher.insert(&subscription(filter)?).map_err(|error| error.to_string())?;
        // Nothing is removed, so the slots have the numbers of the webhooks.
        assert_eq!(slot.index(), webhook as usize);
        Ok(())
    }

    fn matches(&mut self, event: &Input, hits: &mut Vec<u32>) -> Result<(), String> {
        let read;
        let event = if self.reads {
            read = PROFILE.read_event(event.bytes).map_err(|error| error.to_string())?;
            &read
        } else {
            &event.read
        };
        let slots = self.matcher.matches(event, Access::EventOwner, &mut self.scratch);
        hits.extend(slots.map(|slot| slot.index() as u32));
        Ok(())
    }
}

/// `Subscription::matches` for each webhook: the specification of the matcher.
#[derive(Default)]
pub struct Scan(Vec<(u32, Subscription)>);

impl Engine for Scan {
    fn insert(&mut self, webhook: u32, filter: &str) -> Result<(), String> {
        self.0.push((webhook, subscription(filter)?));
        Ok(())
    }

    fn matches(&mut self, event: &Input, hits: &mut Vec<u32>) -> Result<(), String> {
        let matches =
            |(_, one): &&(u32, Subscription)| one.matches(&event.read, Access::EventOwner);
        hits.extend(self.0.iter().filter(matches).map(|(webhook, _)| *webhook));
        Ok(())
    }
}

/// Parses a text into a tree.
pub fn parse(text: &str) -> Result<Expr, String> {
    Expr::parse(text).map_err(|error| error.to_string())
}

/// Parses a text, and checks that it is valid for webhooks.
pub fn check(text: &str) -> Result<hooksieve::filter::Filter, String> {
    PROFILE.filter(text).map_err(|error| error.to_string())
}
