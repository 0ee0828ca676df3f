use super::Engine;
use crate::load::{Filter, Input};
use crate::term::ATTRIBUTES;
use wirefilter::{ExecutionContext, Scheme, Type};

pub fn translate(filter: &Filter) -> Option<String> {
    filter.term.is_plain().then(|| {
        filter.term.infix("&&", "||", &|attribute, equal, value| {
            let operator = if equal { "==" } else { "!=" };
            format!("{} {operator} \"{value}\"", ATTRIBUTES[attribute])
        })
    })
}

pub struct Filters {
    scheme: &'static Scheme,
    filters: Vec<(u32, wirefilter::Filter<'static>)>,
}

impl Filters {
    /// Creates an engine whose scheme is never freed, since filters borrow it.
    pub fn new() -> Self {
        let fields = ATTRIBUTES.map(|name| (name.to_owned(), Type::Bytes));
        let scheme = Box::leak(Box::new(Scheme::try_from_iter(fields).unwrap()));
        Self { scheme, filters: Vec::new() }
    }
}

impl Engine for Filters {
    fn insert(&mut self, webhook: u32, filter: &str) -> Result<(), String> {
        let filter = self.scheme.parse(filter).map_err(|error| error.to_string())?;
        self.filters.push((webhook, filter.compile()));
        Ok(())
    }

    fn matches(&mut self, event: &Input, hits: &mut Vec<u32>) -> Result<(), String> {
        let mut context = ExecutionContext::new(self.scheme);
        for (name, value) in ATTRIBUTES.into_iter().zip(event.values) {
            // A field without a value makes wirefilter panic. These bytes are not UTF-8, so they
            // equal no value of a filter.
            let value = value.map_or(&b"\xff"[..], str::as_bytes);
            context.set_field_value(name, value).map_err(|error| error.to_string())?;
        }
        for (webhook, filter) in &self.filters {
            if filter.execute(&context).map_err(|error| error.to_string())? {
                hits.push(*webhook);
            }
        }
        Ok(())
    }
}
