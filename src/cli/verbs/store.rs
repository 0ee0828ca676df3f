//! The verb `store`: administers the store of a server.

use super::Run;
use crate::cli::input::file_name;
use crate::cli::input::webhooks::{CatalogueArgument, Webhooks, WebhooksArguments};
use crate::cli::output::{Out, counted, plain};
use crate::cli::{Failure, Outcome};
use crate::server::offline::{self, Place};
use clap::Subcommand;
use hooksieve::event::TenantId;
use hooksieve::webhook::Webhook;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

/// Back up, check, fill, erase and seal the store of a server
///
/// `backup` and `check` may run while the server does. The others refuse to: stop the server first.
/// One that was interrupted can be run again.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Copy the store to a new file, which must not exist
    ///
    /// The copy is checked, and not kept if it has problems. To restore it, copy it as
    /// `hooksieve.db` into an empty directory. Secrets in it are sealed: keep a copy of the seal
    /// keys elsewhere.
    Backup {
        #[command(flatten)]
        data: DataArgument,
        /// The new file
        #[arg(value_name = "FILE", value_parser = file_name())]
        to: PathBuf,
    },
    /// Read the whole store and print every problem; exit with 1 if there are any
    Check {
        #[command(flatten)]
        data: DataArgument,
    },
    /// Add webhooks from a response of the API
    ///
    /// Webhooks whose secrets are withheld are disabled with a reason. Ids that exist are skipped.
    Import {
        #[command(flatten)]
        data: DataArgument,
        /// Create the store and its seal key if the data directory has no store
        #[arg(long)]
        create: bool,
        #[command(flatten)]
        keys: KeysArgument,
        /// The tenant of webhooks without `tenantId`
        #[arg(long, value_name = "ID", value_parser = crate::cli::input::tenant)]
        tenant: Option<String>,
        #[command(flatten)]
        catalogue: CatalogueArgument,
        /// A file of webhooks: an array, {"data": […]}, or one per line; `-` for standard input
        #[arg(value_name = "FILE")]
        webhooks: PathBuf,
    },
    /// Remove a tenant and everything that is kept for it
    Erase {
        #[command(flatten)]
        data: DataArgument,
        /// The tenant
        #[arg(long, value_name = "ID", value_parser = crate::cli::input::tenant)]
        tenant: String,
    },
    /// Seal secrets with the first seal key that are sealed with another one
    ///
    /// To rotate keys, insert a new line at the top of the file, run this, and delete the old line.
    Reseal {
        #[command(flatten)]
        data: DataArgument,
        #[command(flatten)]
        keys: KeysArgument,
    },
}

#[derive(clap::Args)]
struct DataArgument {
    /// The data directory of the server
    #[arg(long, value_name = "DIR", env = "HOOKSIEVE_DATA", default_value = "hooksieve-data")]
    data: PathBuf,
}

#[derive(clap::Args)]
struct KeysArgument {
    /// The file of keys that seal secrets [default: `seal.keys` in the data directory]
    #[arg(long, value_name = "FILE", env = "HOOKSIEVE_SEAL_KEY")]
    seal_key: Option<PathBuf>,
}

impl Run for Arguments {
    fn run(self, out: &mut Out) -> Result<Outcome, Failure> {
        run(self.action, out)
    }
}

fn run(action: Action, out: &mut Out) -> Result<Outcome, Failure> {
    let usage = |error: crate::server::ServeError| Failure::Usage(error.to_string());
    let place = |data: DataArgument| Place { data: data.data, seal_keys: None };
    match action {
        Action::Backup { data, to } => {
            offline::backup(&place(data), &to).map_err(usage)?;
            writeln!(out, "backed up to {}", plain(&to.display().to_string()))?;
        }
        Action::Check { data } => {
            let problems = offline::check(&place(data)).map_err(usage)?;
            for problem in &problems {
                writeln!(out, "{}", plain(problem))?;
            }
            if !problems.is_empty() {
                writeln!(out, "restore a backup into an empty directory")?;
                return Ok(Outcome::BadInput);
            }
            writeln!(out, "no problems")?;
        }
        Action::Import { data, create, keys, tenant, catalogue, webhooks } => {
            let place = Place { seal_keys: keys.seal_key, ..place(data) };
            let arguments = WebhooksArguments::of_file(webhooks, tenant, catalogue);
            return import(&place, create, &arguments, out);
        }
        Action::Erase { data, tenant } => {
            let tenant = TenantId::from(tenant);
            let name = plain(tenant.as_str());
            match offline::erase(&place(data), &tenant).map_err(usage)? {
                true => writeln!(out, "erased tenant `{name}`")?,
                false => writeln!(out, "the store has nothing of tenant `{name}`")?,
            }
        }
        Action::Reseal { data, keys } => {
            let place = Place { seal_keys: keys.seal_key, ..place(data) };
            let done = offline::reseal(&place).map_err(usage)?;
            let all = counted(done.webhooks as u64, "webhook", "webhooks");
            writeln!(out, "sealed {} of {all} again", done.sealed)?;
        }
    }
    Ok(Outcome::Ok)
}

/// Imports the valid webhooks of a file, and reports the others.
fn import(
    place: &Place,
    create: bool,
    arguments: &WebhooksArguments,
    out: &mut Out,
) -> Result<Outcome, Failure> {
    let read = Webhooks::read_whole(arguments)?;
    let mut webhooks = Vec::new();
    for listed in &read.list {
        let webhook = listed.whole();
        // The reader gives a webhook without an id its position, such as `#1`.
        if webhook.id().as_str().starts_with('#') {
            let what = "is not from a response of the API: it has no id";
            return Err(Failure::Usage(format!("webhook {} {what}", plain(listed.id()))));
        }
        webhooks.push((tenant(webhook, arguments)?, Arc::clone(webhook)));
    }
    let imported = offline::import(place, webhooks, create);
    let imported = imported.map_err(|error| Failure::Usage(error.to_string()))?;
    if imported.created {
        writeln!(out, "created a store in {}", plain(&place.data.display().to_string()))?;
    }
    writeln!(out, "imported {}", counted(imported.webhooks as u64, "webhook", "webhooks"))?;
    if imported.disabled > 0 {
        writeln!(out, "{} of them disabled: their secrets are withheld", imported.disabled)?;
    }
    if imported.existing > 0 {
        writeln!(out, "{} skipped: the tenant has their ids", imported.existing)?;
    }
    read.outcome(out)
}

fn tenant(webhook: &Webhook, arguments: &WebhooksArguments) -> Result<TenantId, Failure> {
    let id = || plain(webhook.id().as_str());
    match (webhook.tenant(), &arguments.tenant) {
        (Some(own), Some(given)) if own.as_str() != given => {
            let what = format!("belongs to tenant `{}`", plain(own.as_str()));
            Err(Failure::Usage(format!("webhook `{}` {what}; leave out --tenant", id())))
        }
        (Some(own), _) => Ok(own.clone()),
        (None, Some(given)) => Ok(TenantId::from(given.as_str())),
        (None, None) => {
            Err(Failure::Usage(format!("webhook `{}` has no `tenantId`; give --tenant", id())))
        }
    }
}
