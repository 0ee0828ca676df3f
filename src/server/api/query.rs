//! Translates the query parameters that clients send for lists.
//!
//! The published clients send additional parameters, `eventType` for `eventTypes`, and booleans in
//! the spelling of their languages. The library's queries are strict, so the parameters are
//! translated first and unknown ones are removed.
//!
//! Only names and spellings are translated. A known parameter with a wrong value is passed on, so
//! that its error is the library's, and a parameter that is given twice stays so.

use crate::server::service::events::EventList;
use hooksieve::{delivery, webhook};
use url::form_urlencoded::{Serializer, parse};

/// Translates the query of a list of webhooks.
pub(super) fn of_webhooks(query: Option<&str>) -> String {
    translated(query, |name| match name {
        "eventType" => Some("eventTypes"),
        name => known(webhook::ListQuery::PARAMETERS, name),
    })
}

/// Translates the query of a list of deliveries.
pub(super) fn of_deliveries(query: Option<&str>) -> String {
    translated(query, |name| known(delivery::ListQuery::PARAMETERS, name))
}

/// Translates the query of a list of events.
pub(super) fn of_events(query: Option<&str>) -> String {
    translated(query, |name| known(EventList::PARAMETERS, name))
}

/// Translates the query of an explanation.
pub(super) fn of_explanation(query: Option<&str>) -> String {
    translated(query, |name| known(&["webhook"], name))
}

/// Translates the query of a bulk resend.
pub(super) fn of_resend(query: Option<&str>) -> String {
    translated(query, |name| known(&["status", "since"], name))
}

/// Returns the parameter with a name, if it is one of the list.
fn known(parameters: &[&'static str], name: &str) -> Option<&'static str> {
    parameters.iter().copied().find(|known| *known == name)
}

fn translated<'k>(query: Option<&str>, known: impl Fn(&str) -> Option<&'k str>) -> String {
    let mut translated = Serializer::new(String::new());
    // An address without a query selects the same as one with an empty query.
    for (name, value) in parse(query.unwrap_or("").as_bytes()) {
        match known(&name) {
            Some(name @ ("enabled" | "unmatched")) => {
                translated.append_pair(name, &value.to_ascii_lowercase())
            }
            Some(name) => translated.append_pair(name, &value),
            None => &mut translated,
        };
    }
    translated.finish()
}

#[cfg(test)]
mod tests {
    use super::{of_deliveries, of_webhooks};

    #[test]
    fn translates_clients_spellings_and_drops_unknown_parameters() {
        let query = "eventType=a&enabled=True&qlik-web-integration-id=x&sort=%2Bname&name=a%26b";
        assert_eq!(of_webhooks(Some(query)), "eventTypes=a&enabled=true&sort=%2Bname&name=a%26b");
        assert_eq!(of_webhooks(Some("enabled=maybe&limit=0")), "enabled=maybe&limit=0");
        assert_eq!(
            of_deliveries(Some("eventType=a&enabled=true&status=fail")),
            "eventType=a&status=fail"
        );
    }
}
