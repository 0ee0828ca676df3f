//! The verb `key`: manages the API keys of a server.
//!
//! ```text
//! hooksieve key new --keys keys.toml --tenant t1 --user u1 --role user      prints the key, once
//! hooksieve key list --keys keys.toml                              id, role, tenant, user, time
//! hooksieve key revoke --keys keys.toml ID
//! ```
//!
//! The verbs change only the file. A running server notices that, so they need no connection to it
//! and work before its first start.

use super::Run;
use crate::cli::input::file_name;
use crate::cli::output::{Out, plain};
use crate::cli::{Failure, Outcome};
use crate::server::ambient::Ambient;
use crate::server::keys::{KeysFile, NewKey, Role};
use clap::Subcommand;
use std::io::Write;
use std::path::PathBuf;

/// Create, list and revoke the API keys of a server
///
/// A running server reloads the file within a second.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Create a key and print it; it is not stored and cannot be printed again
    New {
        #[command(flatten)]
        file: FileArgument,
        /// The tenant; `*` for a producer of any tenant
        #[arg(long, value_name = "T")]
        tenant: String,
        /// The user who acts with the key
        #[arg(long, value_name = "U")]
        user: String,
        /// The role: tenant-admin, user, producer or operator
        #[arg(long, value_name = "ROLE")]
        role: Role,
    },
    /// List the keys: id, role, tenant, user and time of creation
    List {
        #[command(flatten)]
        file: FileArgument,
    },
    /// Revoke a key
    Revoke {
        #[command(flatten)]
        file: FileArgument,
        /// The id of the key as `list` prints it: the part of the key between the underscores
        #[arg(value_name = "ID")]
        id: String,
    },
}

#[derive(clap::Args)]
struct FileArgument {
    /// The keys file; `new` creates it
    #[arg(long, value_name = "FILE", env = "HOOKSIEVE_KEYS", value_parser = file_name())]
    keys: PathBuf,
}

impl Run for Arguments {
    fn run(self, out: &mut Out) -> Result<Outcome, Failure> {
        run(self.action, out)
    }
}

fn run(action: Action, out: &mut Out) -> Result<Outcome, Failure> {
    let usage = |error: crate::server::keys::KeysError| Failure::Usage(error.to_string());
    match action {
        Action::New { file, tenant, user, role } => {
            let new = NewKey { tenant, user, role };
            let key = KeysFile::new(file.keys).add(new, &Ambient::machine()).map_err(usage)?;
            writeln!(out, "{key}")?;
        }
        Action::List { file } => {
            for key in KeysFile::new(file.keys).read().map_err(usage)? {
                let (id, tenant, user) = (plain(&key.id), plain(&key.tenant), plain(&key.user));
                writeln!(out, "{id}  {:12}  {tenant}  {user}  {}", key.role, plain(&key.created))?;
            }
        }
        Action::Revoke { file, id } => KeysFile::new(file.keys).revoke(&id).map_err(usage)?,
    }
    Ok(Outcome::Ok)
}
