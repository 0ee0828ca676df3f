use super::Engine;
use crate::load::{Filter, Input};
use crate::term::ATTRIBUTES;
use scim_filter::parser;
use serde_json::{Map, Value};

/// Translates a filter. An absent attribute is neither `eq` nor `ne` to a value in scim-filter.
pub fn translate(filter: &Filter) -> Option<String> {
    filter.term.is_plain().then(|| {
        filter.term.infix("and", "or", &|attribute, equal, value| {
            let name = ATTRIBUTES[attribute];
            if equal {
                format!("{name} eq \"{value}\"")
            } else {
                format!("({name} ne \"{value}\" or not ({name} pr))")
            }
        })
    })
}

/// The parsed filters. scim-filter matches a resource, so the attributes are put into one.
#[derive(Default)]
pub struct Filters(Vec<(u32, parser::Filter<'static>)>);

impl Engine for Filters {
    fn insert(&mut self, webhook: u32, filter: &str) -> Result<(), String> {
        // The tree borrows the text, which is never freed.
        let text: &'static str = filter.to_owned().leak();
        match parser::filter(text) {
            Ok(("", filter)) => self.0.push((webhook, filter)),
            Ok((rest, _)) => return Err(format!("leaves `{rest}` unread")),
            Err(error) => return Err(error.to_string()),
        }
        Ok(())
    }

    fn matches(&mut self, event: &Input, hits: &mut Vec<u32>) -> Result<(), String> {
        let [id, space, top, status] = event.values.map(Value::from);
        let mut resource = Map::new();
        resource.insert("id".to_owned(), id);
        resource.insert("spaceId".to_owned(), space);
        resource.insert("topLevelResourceId".to_owned(), top);
        resource.insert("data".to_owned(), Map::from_iter([("status".to_owned(), status)]).into());
        let resource = resource.into();
        for (webhook, filter) in &self.0 {
            if filter.r#match(&resource).map_err(|error| error.to_string())? {
                hits.push(*webhook);
            }
        }
        Ok(())
    }
}
