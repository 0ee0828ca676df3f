use super::Engine;
use crate::load::{Filter, Input};
use crate::term::Term;
use datalogic_rs::{Engine as Interpreter, Logic, ParsedData, bumpalo::Bump};
use serde_json::{Value, json};

/// The JSON paths of the attributes in a CloudEvent, by index. A variable has only one path.
const PATHS: [&str; 4] = ["data.id", "spaceid", "toplevelresourceid", "data.status"];

pub fn translate(filter: &Filter) -> Option<String> {
    Some(rule(&filter.term).to_string())
}

fn rule(term: &Term) -> Value {
    match term {
        Term::And(operands) => json!({"and": operands.iter().map(rule).collect::<Vec<_>>()}),
        Term::Or(operands) => json!({"or": operands.iter().map(rule).collect::<Vec<_>>()}),
        Term::Compare { attribute, equal, value } => {
            let operands = json!([{"var": PATHS[*attribute]}, value]);
            if *equal { json!({"===": operands}) } else { json!({"!==": operands}) }
        }
    }
}

pub struct Rules {
    interpreter: Interpreter,
    arena: Bump,
    rules: Vec<(u32, Logic)>,
}

impl Rules {
    pub fn new() -> Self {
        Self { interpreter: Interpreter::new(), arena: Bump::new(), rules: Vec::new() }
    }
}

impl Engine for Rules {
    fn insert(&mut self, webhook: u32, filter: &str) -> Result<(), String> {
        let rule = self.interpreter.compile(filter).map_err(|error| error.to_string())?;
        self.rules.push((webhook, rule));
        Ok(())
    }

    fn matches(&mut self, event: &Input, hits: &mut Vec<u32>) -> Result<(), String> {
        self.arena.reset();
        let text = std::str::from_utf8(event.bytes).map_err(|error| error.to_string())?;
        let event = ParsedData::from_json(text).map_err(|error| error.to_string())?;
        for (webhook, rule) in &self.rules {
            let result = self.interpreter.evaluate(rule, &event, &self.arena);
            let result = result.map_err(|error| error.to_string())?;
            if result.as_bool().ok_or("the result is not a Boolean")? {
                hits.push(*webhook);
            }
        }
        Ok(())
    }
}
