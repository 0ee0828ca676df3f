use super::Engine;
use crate::load::{Filter, Input};
use a_tree::{ATree, AttributeDefinition};

/// The names of the attributes, by index. Its identifiers have no dots.
const NAMES: [&str; 4] = ["id", "spaceId", "topLevelResourceId", "data_status"];

/// Translates a filter whose values need no escapes, which a-tree does not have.
///
/// A comparison with an undefined attribute is neither true nor false, so `ne` also tests for null.
pub fn translate(filter: &Filter) -> Option<String> {
    filter.term.is_plain().then(|| {
        filter.term.infix("and", "or", &|attribute, equal, value| {
            let name = NAMES[attribute];
            if equal {
                format!("{name} = '{value}'")
            } else {
                format!("({name} <> '{value}' or {name} is null)")
            }
        })
    })
}

pub struct Tree(ATree<u32>);

impl Tree {
    pub fn new() -> Self {
        Self(ATree::new(&NAMES.map(AttributeDefinition::string)).unwrap())
    }
}

impl Engine for Tree {
    fn insert(&mut self, webhook: u32, filter: &str) -> Result<(), String> {
        self.0.insert(&webhook, filter).map_err(|error| format!("{error:?}"))
    }

    fn matches(&mut self, event: &Input, hits: &mut Vec<u32>) -> Result<(), String> {
        let mut builder = self.0.make_event();
        for (name, value) in NAMES.into_iter().zip(event.values) {
            if let Some(value) = value {
                builder.with_string(name, value).map_err(|error| error.to_string())?;
            }
        }
        let event = builder.build().map_err(|error| error.to_string())?;
        let report = self.0.search(&event).map_err(|error| format!("{error:?}"))?;
        hits.extend(report.matches().iter().copied());
        Ok(())
    }
}
