//! The filter texts that the benches parse, also with the peers.

/// The example of the webhooks API reference.
pub const FOUR: &str = r#"id eq "id123" or spaceId eq "spaceId123" or spaceId eq "spaceId456" or topLevelResourceId eq "id789""#;

/// A typical filter, whose ids are UUIDs.
pub const UUIDS: &str = r#"spaceId eq "5f2c1a90-6d8b-4d1c-9e4b-0a1b2c3d4e5f" or id eq "7e2c1a90-6d8b-4d1c-9e4b-0a1b2c3d4e5f""#;

/// A disjunction of a hundred UUIDs.
pub fn hundred() -> String {
    let term = |number| format!(r#"id eq "{number:08x}-9b0b-41ec-b199-8323e1031c3e""#);
    (0..100).map(term).collect::<Vec<_>>().join(" or ")
}
