//! The engines with a common interface: they take filters and an event, and return webhooks.

mod a_tree;
mod cel;
mod jsonlogic;
mod quamina;
mod scim_filter;
mod wirefilter;

use crate::hook;
use crate::load::{Filter, Input};

pub trait Engine {
    /// Inserts a filter in the engine's own language.
    fn insert(&mut self, webhook: u32, filter: &str) -> Result<(), String>;

    /// Appends the numbers of the webhooks that match the event, each once, in any order.
    fn matches(&mut self, event: &Input, hits: &mut Vec<u32>) -> Result<(), String>;
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    Attributes,
    Bytes,
}

pub struct Peer {
    pub name: &'static str,
    /// The package, to look up its version.
    pub package: &'static str,
    pub takes: Takes,
    /// Translates a filter into the engine's language; `None` if that cannot express it.
    pub translate: fn(&Filter) -> Option<String>,
    pub new: fn() -> Box<dyn Engine>,
}

/// All engines. hooksieve's index comes first, with both inputs, then its plain scan.
pub const PEERS: [Peer; 10] = [
    Peer {
        name: "hooksieve",
        package: "hooksieve",
        takes: Takes::Attributes,
        translate: text,
        new: || Box::new(hook::Index::of_attributes()),
    },
    Peer {
        name: "hooksieve",
        package: "hooksieve",
        takes: Takes::Bytes,
        translate: text,
        new: || Box::new(hook::Index::of_bytes()),
    },
    Peer {
        name: "hooksieve, plain scan",
        package: "hooksieve",
        takes: Takes::Attributes,
        translate: text,
        new: || Box::new(hook::Scan::default()),
    },
    Peer {
        name: "a-tree",
        package: "a-tree",
        takes: Takes::Attributes,
        translate: a_tree::translate,
        new: || Box::new(a_tree::Tree::new()),
    },
    Peer {
        name: "quamina",
        package: "quamina",
        takes: Takes::Bytes,
        translate: quamina::translate,
        new: || Box::new(quamina::Patterns::new()),
    },
    Peer {
        name: "quamina, without `and`",
        package: "quamina",
        takes: Takes::Bytes,
        translate: quamina::translate_single,
        new: || Box::new(quamina::Patterns::new()),
    },
    Peer {
        name: "wirefilter",
        package: "wirefilter-engine",
        takes: Takes::Attributes,
        translate: wirefilter::translate,
        new: || Box::new(wirefilter::Filters::new()),
    },
    Peer {
        name: "scim-filter",
        package: "scim-filter",
        takes: Takes::Attributes,
        translate: scim_filter::translate,
        new: || Box::new(scim_filter::Filters::default()),
    },
    Peer {
        name: "CEL (cel)",
        package: "cel",
        takes: Takes::Attributes,
        translate: cel::translate,
        new: || Box::new(cel::Programs::new()),
    },
    Peer {
        name: "JSONLogic (datalogic-rs)",
        package: "datalogic-rs",
        takes: Takes::Bytes,
        translate: jsonlogic::translate,
        new: || Box::new(jsonlogic::Rules::new()),
    },
];

/// Returns the SCIM text itself.
fn text(filter: &Filter) -> Option<String> {
    Some(filter.text.clone())
}
