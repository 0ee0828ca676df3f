use super::Engine;
use crate::load::{Filter, Input};
use cel::common::types::{CelNull, CelString};
use cel::common::value::Val;
use cel::{Context, Env, Program, Value};
use std::sync::Arc;

/// The names of the attributes, by index. A name with a dot would be looked up in a map.
const NAMES: [&str; 4] = ["id", "spaceId", "topLevelResourceId", "status"];

pub fn translate(filter: &Filter) -> Option<String> {
    filter.term.is_plain().then(|| {
        filter.term.infix("&&", "||", &|attribute, equal, value| {
            let operator = if equal { "==" } else { "!=" };
            format!("{} {operator} \"{value}\"", NAMES[attribute])
        })
    })
}

pub struct Programs {
    env: Arc<Env>,
    programs: Vec<(u32, Program)>,
}

impl Programs {
    pub fn new() -> Self {
        Self { env: Arc::new(Env::stdlib()), programs: Vec::new() }
    }
}

impl Engine for Programs {
    fn insert(&mut self, webhook: u32, filter: &str) -> Result<(), String> {
        let program = self.env.compile(filter).map_err(|error| error.to_string())?;
        self.programs.push((webhook, program));
        Ok(())
    }

    fn matches(&mut self, event: &Input, hits: &mut Vec<u32>) -> Result<(), String> {
        let mut context = Context::with_env(self.env.clone());
        for (name, value) in NAMES.into_iter().zip(event.values) {
            let value: Box<dyn Val> = match value {
                Some(value) => Box::new(CelString::from(value)),
                None => Box::new(CelNull),
            };
            context.add_variable_as_val(name, value);
        }
        for (webhook, program) in &self.programs {
            match program.execute(&context) {
                Ok(Value::Bool(true)) => hits.push(*webhook),
                Ok(Value::Bool(false)) => {}
                Ok(other) => return Err(format!("{other:?} is not a Boolean")),
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }
}
