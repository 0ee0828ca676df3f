//! The verb `serve`. Its flags are the settings of the server.
//!
//! # Why the flags are built by hand
//!
//! The settings of a server are one table ([`SETTINGS`]) of names, defaults and help. Flags,
//! variables of the environment, the file of `--config` and `--print-config` all follow it. A
//! derived `struct` of flags would be a second list that must be kept equal.

use super::Run;
use crate::cli::output::Out;
use crate::cli::{Failure, Outcome};
use crate::server::config::{Config, Given, SETTINGS, Setting, Settings};
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::io::Write;
use std::path::PathBuf;

/// Run a server for the webhooks API
///
/// Without arguments it listens on 127.0.0.1:8080, keeps its data in ./hooksieve-data, and prints
/// an administrator's key at the first start. A flag overrides the variable of the environment
/// (`HOOKSIEVE_` and the name in capitals), which overrides the file that --config names.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Read settings from a TOML file in the form of --print-config
    #[arg(long, value_name = "FILE", env = "HOOKSIEVE_CONFIG")]
    config: Option<PathBuf>,
    /// Print the settings with their sources, and exit
    #[arg(long)]
    print_config: bool,
    #[command(flatten)]
    flags: Flags,
}

/// The flags of all settings.
struct Flags(Given);

fn flag(setting: &'static Setting) -> Arg {
    let flag = Arg::new(setting.name).long(setting.name).help(help(setting));
    match (setting.is_switch(), setting.many) {
        (true, _) => flag.action(ArgAction::SetTrue),
        (false, true) => flag.value_name(setting.value).action(ArgAction::Append),
        (false, false) => flag.value_name(setting.value),
    }
}

fn help(setting: &Setting) -> String {
    match (setting.is_switch(), setting.default) {
        (true, _) | (_, "") => setting.help.to_owned(),
        (false, default) => format!("{} [default: {default}]", setting.help),
    }
}

impl clap::Args for Flags {
    fn augment_args(command: Command) -> Command {
        SETTINGS.iter().fold(command, |command, setting| command.arg(flag(setting)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut given = Given::new();
        for setting in SETTINGS {
            if setting.is_switch() {
                // A switch that is not given leaves the decision to the environment or the file.
                if matches.get_flag(setting.name) {
                    given.insert(setting.name, vec!["true".to_owned()]);
                }
            } else if let Some(values) = matches.get_many::<String>(setting.name) {
                given.insert(setting.name, values.cloned().collect());
            }
        }
        Ok(Self(given))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Run for Arguments {
    fn run(self, _: &mut Out) -> Result<Outcome, Failure> {
        run(self)
    }
}

fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    let usage = |error: &dyn std::fmt::Display| Failure::Usage(error.to_string());
    // A variable that is not UTF-8 counts as absent.
    let variable = |name: &str| std::env::var(name).ok();
    let file = arguments.config.as_deref();
    let settings = Settings::read(arguments.flags.0, variable, file).map_err(|e| usage(&e))?;
    let config = Config::new(&settings).map_err(|error| usage(&error))?;
    if arguments.print_config {
        std::io::stdout().lock().write_all(settings.print().as_bytes())?;
        return Ok(Outcome::Ok);
    }
    crate::server::run(&config).map_err(|error| usage(&error))?;
    Ok(Outcome::Ok)
}
