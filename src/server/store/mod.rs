//! Persistent storage: the [contract] and its backends.
//!
//! ```text
//! service ──▶ rows: Webhook ⇄ JSON ──▶ seal: secrets ⇄ sealed ──▶ contract ──▶ sqlite │ memory
//! ```
//!
//! [`Sqlite`](sqlite::Sqlite) keeps a server's data in one directory. [`Memory`](memory::Memory) is
//! the model with which tests compare it. [`seal`] encrypts the secrets of a document before a
//! store receives it.

pub(crate) mod contract;
pub(crate) mod memory;
pub(crate) mod seal;
pub(crate) mod sqlite;

#[cfg(test)]
mod tests;
