//! The verb `key`: the keys that a server lets in.

use super::Run;
use crate::cli::output::{Format, Out, plain};
use crate::cli::{Failure, Outcome};
use crate::server::ambient::Ambient;
use crate::server::keys::{KeysFile, NewKey, Role};
use clap::Subcommand;
use std::io::Write;
use std::path::PathBuf;

/// Make, list and revoke the keys of a server
///
/// A running server reads the file again within a second.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Make a key, and print it: it is not kept, and cannot be shown again
    New {
        #[command(flatten)]
        file: FileArgument,
        /// The tenant; `*` for a producer of any tenant
        #[arg(long, value_name = "T")]
        tenant: String,
        /// The user who acts with the key
        #[arg(long, value_name = "U")]
        user: String,
        /// What it allows: tenant-admin, user, producer or operator
        #[arg(long, value_name = "ROLE")]
        role: Role,
    },
    /// List the keys: id, role, tenant, user, and when they were made
    List {
        #[command(flatten)]
        file: FileArgument,
    },
    /// Revoke a key
    Revoke {
        #[command(flatten)]
        file: FileArgument,
        /// The id of the key, as `list` prints it: the part between the underscores
        #[arg(value_name = "ID")]
        id: String,
    },
}

#[derive(clap::Args)]
struct FileArgument {
    /// The file of keys; `new` creates it
    #[arg(long, value_name = "FILE", env = "HOOKSIEVE_KEYS")]
    keys: PathBuf,
}

impl Run for Arguments {
    fn format(&self) -> Format {
        Format::Text
    }

    fn run(self, _: &mut Out) -> Result<Outcome, Failure> {
        run(self)
    }
}

fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    let mut out = std::io::stdout().lock();
    let usage = |error: crate::server::keys::KeysError| Failure::Usage(error.to_string());
    match arguments.action {
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
