//! What must survive the server: the [contract] and its backends.
//!
//! [`Sqlite`](sqlite::Sqlite) keeps a server's data in one directory. [`Memory`](memory::Memory)
//! is the model that tests hold it to. [`seal`] encrypts the secrets of a document before a store
//! gets it.

pub(crate) mod contract;
pub(crate) mod memory;
pub(crate) mod seal;
pub(crate) mod sqlite;

#[cfg(test)]
mod tests;
