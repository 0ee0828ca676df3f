//! The key file: one line per key, with its id and its 32 bytes in Base64.
//!
//! ```text
//! # comments and empty lines are ignored
//! 3f9a1c02 q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=
//! ```
//!
//! The first key seals, and every key opens. To rotate keys, insert a new line at the top, seal the
//! store again with `hooksieve store reseal`, and delete the old line when no value needs it.
//!
//! A line that is not a key is an error and is never skipped: a key that was mistyped would show
//! itself only when a secret does not open. Errors name the line and never its text.

use super::SealError;
use crate::server::files::{private, sync_parent};
use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest, Sha256};
use std::fmt;
use std::io::{ErrorKind, Write};
use std::path::Path;
use zeroize::Zeroizing;

const KEY: usize = 32;

/// The keys of a file. `Debug` shows only their ids.
pub(crate) struct Keys {
    first: Key,
    others: Vec<Key>,
}

pub(super) struct Key {
    id: Box<str>,
    bytes: Zeroizing<[u8; KEY]>,
}

impl Key {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn bytes(&self) -> &[u8; KEY] {
        &self.bytes
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all().map(Key::id)).finish()
    }
}

/// Returns the line of a new key. Its id is derived from the key, so that different keys have
/// different ids.
pub(crate) fn new_line(bytes: &[u8; KEY]) -> Zeroizing<String> {
    // Four bytes of a hash show nothing about a key of 32 random bytes.
    let digest = Sha256::new().chain_update(b"hooksieve key id").chain_update(bytes).finalize();
    let id: Vec<u8> = digest.iter().take(4).copied().collect();
    let key = Zeroizing::new(BASE64.encode(bytes));
    Zeroizing::new(format!("{} {}\n", HEXLOWER.encode(&id), *key))
}

impl Keys {
    /// Parses the text of a key file.
    pub(crate) fn parse(text: &str) -> Result<Self, SealError> {
        let mut keys: Vec<Key> = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let key = parse_line(text).ok_or_else(|| {
                let help = "write an id, a space and 32 bytes in Base64";
                SealError::KeyFile(format!("line {line} of the key file is not a key: {help}"))
            })?;
            // Two keys with one id cannot both open what the id names.
            if keys.iter().any(|known| known.id == key.id) {
                let what = format!("line {line} of the key file has the duplicate id `{}`", key.id);
                return Err(SealError::KeyFile(what));
            }
            keys.push(key);
        }
        let mut keys = keys.into_iter();
        match keys.next() {
            Some(first) => Ok(Self { first, others: keys.collect() }),
            None => Err(SealError::KeyFile(
                "the key file has no key: restore it, or delete it to create a new one".to_owned(),
            )),
        }
    }

    /// Reads a key file.
    pub(crate) fn read(path: &Path) -> Result<Self, SealError> {
        let text = std::fs::read_to_string(path).map_err(|error| file(path, &error))?;
        Self::parse(&Zeroizing::new(text))
    }

    /// Reads a key file, or creates one from random bytes that only the server's user may read.
    pub(crate) fn read_or_create(path: &Path, random: &[u8; KEY]) -> Result<Self, SealError> {
        match create(path, random) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(file(path, &error)),
            Ok(()) => {}
        }
        Self::read(path)
    }

    pub(super) fn first(&self) -> &Key {
        &self.first
    }

    pub(super) fn get(&self, id: &str) -> Option<&Key> {
        self.all().find(|key| *key.id == *id)
    }

    fn all(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

fn parse_line(text: &str) -> Option<Key> {
    let (id, key) = text.split_once(char::is_whitespace)?;
    let is_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    // The id is part of each sealed value, between colons.
    if id.len() > 64 || !id.chars().all(is_id) {
        return None;
    }
    let bytes = Zeroizing::new(BASE64.decode(key.trim().as_bytes()).ok()?);
    Some(Key { id: id.into(), bytes: Zeroizing::new(bytes.as_slice().try_into().ok()?) })
}

fn file(path: &Path, error: &std::io::Error) -> SealError {
    let help = match error.kind() {
        ErrorKind::NotFound => "; restore it, or name another one with --seal-key",
        ErrorKind::PermissionDenied => {
            "; the server's user needs the right to read it, or to create it"
        }
        _ => "",
    };
    SealError::KeyFile(format!("cannot use the key file {}: {error}{help}", path.display()))
}

/// Creates the file under another name and links it to its own: after a crash it is complete or
/// missing. An existing file is never replaced, because everything that it sealed would be lost.
fn create(path: &Path, random: &[u8; KEY]) -> std::io::Result<()> {
    if path.try_exists()? {
        return Err(ErrorKind::AlreadyExists.into());
    }
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".{}.part", std::process::id()));
    let mut file = private().write(true).create(true).truncate(true).open(&part)?;
    let written = (|| {
        file.write_all(
            b"# These keys seal the secrets in the store. The first one seals, and all of them open.\n\
            # Keep a copy apart from backups of the store: without this file, secrets are lost.\n",
        )?;
        file.write_all(new_line(random).as_bytes())?;
        file.sync_all()?;
        std::fs::hard_link(&part, path)
    })();
    std::fs::remove_file(&part)?;
    written?;
    sync_parent(path)
}
