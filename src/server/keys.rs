//! API keys and the file that holds them.
//!
//! A key is `hs_<id>_<secret>`. The id identifies the key in lists, logs and the file; the secret
//! is 32 random bytes. The file holds the SHA-256 of the whole key. A slow hash is not needed,
//! since 256 random bits cannot be guessed. A key is found by its id, which is not secret, and its
//! hash is compared in constant time.
//!
//! The file is TOML, so that it can be read and deployed like other configuration. A change writes
//! a complete new file and renames it over the old one, so that a reader sees one or the other.
//! Writers hold a lock on a separate file: a lock on the file itself would be on the old one after
//! the rename.
//!
//! ```text
//! hs_0123456789ab_Zm9v…            keys.toml                     memory of the server
//!    └── id ────┘ └ secret         id, SHA-256, tenant, …  ──▶   id → key, SHA-256
//!                                  (changed by `key`)      reload when the file's mark differs
//! ```
//!
//! | what goes wrong | what happens |
//! | --- | --- |
//! | the file is damaged or missing while the server runs | the previous keys stay in use; logged once |
//! | the same at the start | the start fails: no keys would lock every caller out |
//! | two writers at once | one waits for the lock, and both keys are there |
//! | a crash while writing | the old file is complete |

use super::ambient::{Ambient, NoRandomness};
use super::files::{private, sync_parent};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use hooksieve::diagnostic::is_misleading;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

/// The role of a key, which decides what its holder may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    /// Everything in the tenant.
    TenantAdmin,
    /// The user's own webhooks, of level `user`.
    User,
    /// Sending events.
    Producer,
    /// Operating the server, without access to a tenant's data.
    Operator,
}

impl Role {
    /// All roles.
    pub(crate) const ALL: [Self; 4] =
        [Self::TenantAdmin, Self::User, Self::Producer, Self::Operator];

    /// Returns the word for the role in the file and on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::TenantAdmin => "tenant-admin",
            Self::User => "user",
            Self::Producer => "producer",
            Self::Operator => "operator",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| format!("expected one of {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A key as the file holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Key {
    /// The id: the middle part of the key.
    pub(crate) id: String,
    /// The SHA-256 of the key, in hexadecimal.
    sha256: String,
    /// The tenant; `*` for a producer of any tenant.
    pub(crate) tenant: String,
    /// The user who acts with the key.
    pub(crate) user: String,
    /// The role.
    pub(crate) role: Role,
    /// The time of creation (RFC 3339).
    pub(crate) created: String,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    key: Vec<Key>,
}

/// The properties of a key to be created.
#[derive(Clone, Debug)]
pub(crate) struct NewKey {
    /// The tenant.
    pub(crate) tenant: String,
    /// The user.
    pub(crate) user: String,
    /// The role.
    pub(crate) role: Role,
}

/// An error of the keys file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeysError {
    /// The file cannot be read or written.
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
    /// The content of the file is invalid.
    #[error("{0} is not a valid keys file: {1}")]
    Invalid(PathBuf, String),
    /// The file has no key with this id.
    #[error("{0} has no key `{1}`")]
    Unknown(PathBuf, String),
    /// The request for a key is invalid.
    #[error("{0}")]
    Refused(String),
    /// The machine provided no random bytes.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// The keys file.
#[derive(Clone, Debug)]
pub(crate) struct KeysFile(PathBuf);

impl KeysFile {
    /// Returns the file at a path, which need not exist.
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Returns the path of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Reads the keys, in the order of their creation; none if the file does not exist.
    pub(crate) fn read(&self) -> Result<Vec<Key>, KeysError> {
        let text = match fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.io(error)),
        };
        let invalid = |what: String| KeysError::Invalid(self.0.clone(), what);
        let Document { key: keys } =
            toml::from_str(&text).map_err(|error| invalid(error.message().to_owned()))?;
        let mut ids = std::collections::HashSet::new();
        for key in &keys {
            // A key that could never be found must not look like one that exists.
            if digest(key).is_none() {
                return Err(invalid(format!(
                    "the `sha256` of key `{}` is not a SHA-256 in hexadecimal",
                    key.id
                )));
            }
            if !ids.insert(&key.id) {
                return Err(invalid(format!("duplicate id `{}`", key.id)));
            }
            check(&key.tenant, &key.user, key.role)
                .map_err(|what| invalid(format!("key `{}`: {what}", key.id)))?;
        }
        Ok(keys)
    }

    /// Creates a key and returns it. The file holds only its hash.
    pub(crate) fn add(&self, new: NewKey, ambient: &Ambient) -> Result<String, KeysError> {
        check(&new.tenant, &new.user, new.role).map_err(KeysError::Refused)?;
        // 32 bytes: as hard to guess as the hash. The id is short, since people compare it by eye.
        let secret = BASE64URL_NOPAD.encode(&ambient.random::<32>()?);
        let id = HEXLOWER.encode(&ambient.random::<6>()?);
        let text = format!("hs_{id}_{secret}");
        let sha256 = HEXLOWER.encode(&Sha256::digest(text.as_bytes()));
        let NewKey { tenant, user, role } = new;
        let created = ambient.now().to_string();
        self.change(|keys| {
            keys.push(Key { id, sha256, tenant, user, role, created });
            Ok(())
        })?;
        Ok(text)
    }

    /// Removes a key by its id.
    pub(crate) fn revoke(&self, id: &str) -> Result<(), KeysError> {
        self.change(|keys| {
            let before = keys.len();
            keys.retain(|key| key.id != id);
            match keys.len() < before {
                true => Ok(()),
                false => Err(KeysError::Unknown(self.0.clone(), id.to_owned())),
            }
        })
    }

    fn change(
        &self,
        change: impl FnOnce(&mut Vec<Key>) -> Result<(), KeysError>,
    ) -> Result<(), KeysError> {
        let mut lock_path = self.0.clone().into_os_string();
        lock_path.push(".lock");
        let opened = private().create(true).truncate(false).write(true).open(&lock_path);
        let lock = opened.map_err(|error| self.io(error))?;
        // Held until the file is closed, at the end of this function.
        lock.lock().map_err(|error| self.io(error))?;
        // Read under the lock, so that no other writer's key is lost.
        let mut keys = self.read()?;
        change(&mut keys)?;
        let text = toml::to_string(&Document { key: keys })
            .map_err(|error| KeysError::Invalid(self.0.clone(), error.to_string()))?;
        self.replace(&text).map_err(|error| self.io(error))
    }

    /// Replaces the file by renaming a complete new one over it.
    fn replace(&self, text: &str) -> io::Result<()> {
        let mut new = self.0.clone().into_os_string();
        new.push(".new");
        // Left by a crash, it may have the rights of an older version; the content is replaced.
        let mut file = private().create(true).truncate(true).write(true).open(&new)?;
        file.write_all(text.as_bytes())?;
        // Otherwise the rename could reach the disk before the content.
        file.sync_all()?;
        fs::rename(&new, &self.0)?;
        sync_parent(&self.0)
    }

    fn io(&self, error: io::Error) -> KeysError {
        KeysError::Io(self.0.clone(), error)
    }

    /// Returns a mark that differs between two states of the file.
    fn mark(&self) -> Option<Mark> {
        let metadata = fs::metadata(&self.0).ok()?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
        // Elsewhere the time and the length must suffice.
        #[cfg(not(unix))]
        let inode = 0;
        Some(Mark { modified: metadata.modified().ok(), bytes: metadata.len(), inode })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Mark {
    modified: Option<SystemTime>,
    bytes: u64,
    inode: u64,
}

/// Checks that keys of every role can have this tenant.
pub(crate) fn check_tenant(tenant: &str) -> Result<(), &'static str> {
    match tenant {
        "" => Err("a tenant id must not be empty"),
        "*" => Err("tenant `*` means any tenant"),
        // On a page it would look like another one.
        _ if tenant.chars().any(is_misleading) => {
            Err("a tenant id must not have control or invisible characters")
        }
        _ => Ok(()),
    }
}

fn check(tenant: &str, user: &str, role: Role) -> Result<(), String> {
    match (tenant, user, role) {
        ("", ..) => Err("a key requires a tenant".to_owned()),
        (_, "", _) => Err("a key requires a user".to_owned()),
        (tenant, ..) if tenant != "*" => check_tenant(tenant).map_err(str::to_owned),
        ("*", _, Role::TenantAdmin | Role::User) => {
            Err("only producers and operators may have tenant `*`".to_owned())
        }
        _ => Ok(()),
    }
}

fn digest(key: &Key) -> Option<[u8; 32]> {
    // Lower case only, as it is written: one form of a hash, so that files can be compared.
    HEXLOWER.decode(key.sha256.as_bytes()).ok()?.try_into().ok()
}

/// The keys that the server accepts, replaced as a whole while it runs.
pub(crate) struct Keys {
    file: KeysFile,
    state: RwLock<State>,
}

struct State {
    mark: Option<Mark>,
    keys: HashMap<String, (Arc<Key>, [u8; 32])>,
}

impl State {
    fn read(file: &KeysFile) -> Result<Self, KeysError> {
        // The mark is taken before reading, so that a file that is replaced meanwhile is read
        // again.
        let mark = file.mark();
        // `read` has refused keys whose digest is malformed.
        let entry = |key: Key| Some((key.id.clone(), (digest(&key)?, Arc::new(key))));
        let keys = file.read()?.into_iter().filter_map(entry);
        let keys = keys.map(|(id, (digest, key))| (id, (key, digest))).collect();
        Ok(Self { mark, keys })
    }
}

impl Keys {
    /// Reads the keys of a file.
    pub(crate) fn open(file: KeysFile) -> Result<Self, KeysError> {
        let state = RwLock::new(State::read(&file)?);
        Ok(Self { file, state })
    }

    /// Returns the number of keys.
    pub(crate) fn len(&self) -> usize {
        self.state.read().unwrap_or_else(PoisonError::into_inner).keys.len()
    }

    /// Returns whether a key with this id exists.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.state.read().unwrap_or_else(PoisonError::into_inner).keys.contains_key(id)
    }

    /// Returns the key that a text is, if it is one.
    pub(crate) fn find(&self, text: &str) -> Option<Arc<Key>> {
        // Before the look-up: an unknown id takes as long as a known one.
        let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        // The secret may have underscores, the id has none.
        let id = text.strip_prefix("hs_").and_then(|rest| rest.split('_').next());
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let (key, digest) = state.keys.get(id?)?;
        is_equal(&hash, digest).then(|| Arc::clone(key))
    }

    /// Reads the file again if it has changed, and then returns the number of keys.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read or is invalid. The previous keys stay in use,
    /// and the file is not read again until it changes.
    pub(crate) fn reload(&self) -> Result<Option<usize>, KeysError> {
        let mark = self.file.mark();
        if self.state.read().unwrap_or_else(PoisonError::into_inner).mark == mark {
            return Ok(None);
        }
        // A reload is all or nothing: half of a file would revoke the other half.
        let read = match mark {
            // A missing file is most likely a mistake in a deployment, and must not lock callers
            // out.
            None => Err(self.file.io(io::ErrorKind::NotFound.into())),
            Some(_) => State::read(&self.file),
        };
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(new) => {
                *state = new;
                Ok(Some(state.keys.len()))
            }
            Err(error) => {
                // Otherwise the same error would be logged twice a second.
                state.mark = mark;
                Err(error)
            }
        }
    }
}

/// Compares in constant time, so that response times show nothing about a hash. A guess of the hash
/// would not help to guess the key, but the comparison costs nothing.
fn is_equal(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let difference =
        a.iter().zip(b).fold(0, |difference, (a, b)| std::hint::black_box(difference | (a ^ b)));
    difference == 0
}

#[cfg(test)]
mod tests {
    use super::{Keys, KeysError, KeysFile, NewKey, Role, is_equal};
    use crate::server::ambient::Ambient;
    use std::path::PathBuf;

    fn folder(name: &str) -> PathBuf {
        let folder = format!("hooksieve-keys-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn new(tenant: &str, role: Role) -> NewKey {
        NewKey { tenant: tenant.to_owned(), user: "u1".to_owned(), role }
    }

    #[test]
    fn finds_keys_until_they_are_revoked_and_keeps_only_hashes() {
        let folder = folder("find");
        let file = KeysFile::new(folder.join("keys.toml"));
        let ambient = Ambient::machine();
        let first = file.add(new("t1", Role::User), &ambient).unwrap();
        let second = file.add(new("*", Role::Producer), &ambient).unwrap();
        let keys = Keys::open(file.clone()).unwrap();
        assert_eq!(keys.find(&first).unwrap().tenant, "t1");
        assert_eq!(keys.find(&second).unwrap().role, Role::Producer);
        let other = format!("{}x", first.get(..first.len() - 1).unwrap());
        for wrong in ["", "hs_", "hs_x_y", &first.to_uppercase(), &other, &format!("{first} ")] {
            assert!(keys.find(wrong).is_none(), "{wrong}");
        }
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert!(!text.contains(first.splitn(3, '_').nth(2).unwrap()), "{text}");

        let id = keys.find(&first).unwrap().id.clone();
        assert_eq!(keys.reload().unwrap(), None);
        file.revoke(&id).unwrap();
        assert!(keys.find(&first).is_some());
        assert_eq!(keys.reload().unwrap(), Some(1));
        assert!(keys.find(&first).is_none() && !keys.has(&id));
        assert!(matches!(file.revoke(&id), Err(KeysError::Unknown(..))));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn keeps_the_keys_while_the_file_is_damaged_or_gone() {
        let folder = folder("damaged");
        let file = KeysFile::new(folder.join("keys.toml"));
        let text = file.add(new("t1", Role::TenantAdmin), &Ambient::machine()).unwrap();
        let keys = Keys::open(file.clone()).unwrap();
        for damaged in ["key = 5", "[[key]]\nid = \"a\"", "[[keys]]"] {
            std::fs::write(file.path(), damaged).unwrap();
            assert!(matches!(keys.reload(), Err(KeysError::Invalid(..))), "{damaged}");
            assert!(matches!(keys.reload(), Ok(None)), "reported once");
            assert!(keys.find(&text).is_some());
        }
        std::fs::remove_file(file.path()).unwrap();
        assert!(keys.reload().is_err() && keys.find(&text).is_some());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn refuses_keys_without_tenant_or_of_every_tenant() {
        let file = KeysFile::new(folder("refused").join("keys.toml"));
        let ambient = Ambient::machine();
        for (tenant, role) in [
            ("", Role::User),
            ("*", Role::User),
            ("*", Role::TenantAdmin),
            ("a\nb", Role::Producer),
        ] {
            let refused = file.add(new(tenant, role), &ambient);
            assert!(matches!(refused, Err(KeysError::Refused(_))), "{tenant} {role}");
        }
        assert_eq!(file.read().unwrap(), []);
    }

    #[test]
    fn compares_every_byte() {
        let a = [7; 32];
        assert!(is_equal(&a, &a));
        for at in 0..32 {
            let mut b = a;
            b[at] ^= 0x80;
            assert!(!is_equal(&a, &b), "byte {at}");
        }
    }
}
