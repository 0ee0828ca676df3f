use super::{AttributeValue, Dictionary, Entry, Selectivity, table_hash};
use crate::filter::Profile;
use std::collections::HashSet;

#[test]
fn entry_is_one_cache_line() {
    assert_eq!(size_of::<Entry>(), 64);
}

/// So it does for equal texts of two tenants or attributes.
#[test]
fn distinguishes_values_with_equal_hashes() {
    let mut dictionary = Dictionary::new(Selectivity::of_profile(&Profile::webhook()));
    let [short, longer, long] = [38, 39, 100].map(|length| "x".repeat(length));
    let mut values = vec![];
    for (tenant, attribute) in [(0, 0), (0, 1), (1, 0)] {
        for text in ["", "a", "b", &short, &longer, &long] {
            values.push(AttributeValue { tenant, attribute, text });
        }
    }
    let ids: Vec<_> = values.iter().map(|value| dictionary.intern(*value)).collect();
    ids.iter().for_each(|id| dictionary.acquire(*id));
    let places: Vec<_> = ids.iter().map(|id| dictionary.records[*id].place).collect();
    for (at, one) in values.iter().enumerate() {
        assert_eq!(dictionary.intern(*one), ids[at]);
        assert_eq!(dictionary.term(ids[at]), (usize::from(one.attribute), one.text));
        let hash = dictionary.hash(*one);
        // As if the table had returned the wrong candidate for the hash.
        for candidate in &places {
            let found = dictionary.confirm(*candidate, hash, *one).unwrap();
            assert_eq!(found.id, ids[at]);
        }
    }
    ids.iter().for_each(|id| dictionary.release(*id));
    let lens = (dictionary.len(), dictionary.long.len(), dictionary.free.len());
    assert_eq!(lens, (0, 0, values.len()));
    assert_eq!(dictionary.intern(values[3]), ids[ids.len() - 1], "reuses ids");
}

/// Otherwise a value that many tenants mention would be a search for each of them.
#[test]
fn hashes_equal_texts_of_tenants_and_attributes_differently() {
    let dictionary = Dictionary::default();
    let places = (0..300).flat_map(|tenant| [0, 1, 2, 255].map(|attribute| (tenant, attribute)));
    let values = places.map(|(tenant, attribute)| AttributeValue::new(tenant, attribute, "ok"));
    let hashes: HashSet<_> = values.map(|value| dictionary.hash(value)).collect();
    // Allows two collisions; random hashes have more in one run of 6,000.
    assert!(hashes.len() + 2 >= 1200, "{}", hashes.len());
}

/// As if all values had one hash.
#[test]
fn finds_each_value_of_one_hash() {
    let mut dictionary = Dictionary::new(Selectivity::of_profile(&Profile::webhook()));
    let values = [(0, 0, "a"), (0, 0, "b"), (0, 1, "a"), (1, 0, "a")]
        .map(|(tenant, attribute, text)| AttributeValue { tenant, attribute, text });
    let ids = values.map(|value| dictionary.intern(value));
    let entries: Vec<_> = dictionary.entries.0.drain().collect();
    for entry in entries {
        dictionary.entries.0.insert_unique(table_hash(7), entry, |_| table_hash(7));
    }
    for (value, id) in values.into_iter().zip(ids) {
        assert_eq!(dictionary.search(7, value).unwrap().id, id);
        let candidate = dictionary.candidate(7).unwrap();
        assert_eq!(dictionary.confirm(candidate, 7, value).unwrap().id, id);
    }
    let other = AttributeValue { tenant: 1, attribute: 0, text: "b" };
    let candidate = dictionary.candidate(7).unwrap();
    assert!(dictionary.confirm(candidate, 7, other).is_none());
}

/// Ids lead to their entries while the table grows, is rehashed in place, and is cloned.
#[test]
fn keeps_ids_while_places_change() {
    let mut dictionary = Dictionary::new(Selectivity::of_profile(&Profile::webhook()));
    let mut live = Vec::new();
    let count = if cfg!(miri) { 300 } else { 20_000 };
    for n in 0..count {
        let text = format!("{n}{}", "-".repeat(n % 70));
        let id = dictionary.intern(AttributeValue::new(0, n % 4, &text));
        dictionary.acquire(id);
        live.push((id, n % 4, text));
        if n % 3 > 0 && n > count / 2 {
            let (id, ..) = live.swap_remove(n * 7 % live.len());
            dictionary.release(id);
        }
        if n % (count / 20) == 0 {
            dictionary = dictionary.clone();
            assert_eq!(dictionary.len(), live.len());
            for (id, attribute, text) in &live {
                assert_eq!(dictionary.term(*id), (*attribute, text.as_str()));
                let value = AttributeValue::new(0, *attribute, text);
                assert_eq!(dictionary.find(value).unwrap().id, *id);
            }
        }
    }
}
