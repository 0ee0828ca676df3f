//! The verbs of the program. Each is a file that implements [`Run`], declared here and listed
//! below.
//!
//! # How to add a verb
//!
//! 1. Write a file with a `struct Arguments` that derives [`Args`] and implements [`Run`]. Its doc
//!    comments are the help page.
//! 2. Declare the module, and add a line to the list of `verbs!`. The order of the list is that of
//!    `hooksieve --help`.
//!
//! A `///` in a verb is therefore text for its users. What is for readers of the code is in the
//! header of the file, and in `//` comments.

mod check;
mod diff;
mod dry_run;
mod event_types;
mod explain;
mod generate;
#[cfg(feature = "serve")]
mod key;
#[cfg(feature = "serve")]
mod listen;
mod matching;
mod patch;
mod requests;
#[cfg(feature = "serve")]
mod serve;
#[cfg(feature = "serve")]
mod store;
mod validate;

use crate::cli::output::{Format, Out};
use crate::cli::{Failure, Outcome, usage};
use clap::{Args, Subcommand};
use std::io;

/// A verb: its arguments, which are its help page, and its work.
trait Run: Args {
    /// Whether a closed standard output is an error, since nothing else would show it.
    const NEEDS_OUTPUT: bool = false;

    /// Returns how standard output is written.
    fn format(&self) -> Format {
        Format::Text
    }

    /// Does the work.
    fn run(self, out: &mut Out) -> Result<Outcome, Failure>;
}

macro_rules! verbs {
    ($($(#[$cfg:meta])? $verb:ident in $module:ident)+) => {
        // A doc comment on a variant would replace the help text of the verb's arguments.
        #[derive(Subcommand)]
        pub(super) enum Verb {
            $($(#[$cfg])? $verb($module::Arguments),)+
        }

        impl Verb {
            /// Returns how the verb writes standard output.
            pub(super) fn format(&self) -> Format {
                match self {
                    $($(#[$cfg])? Self::$verb(arguments) => arguments.format(),)+
                }
            }

            /// Runs the verb.
            pub(super) fn run(self, out: &mut Out) -> Result<Outcome, Failure> {
                match self {
                    $($(#[$cfg])? Self::$verb(arguments) => run(arguments, out),)+
                }
            }
        }
    };
}

verbs! {
    Check in check
    Validate in validate
    Patch in patch
    EventTypes in event_types
    Match in matching
    Explain in explain
    Diff in diff
    Try in dry_run
    Requests in requests
    Generate in generate
    #[cfg(feature = "serve")] Serve in serve
    #[cfg(feature = "serve")] Listen in listen
    #[cfg(feature = "serve")] Key in key
    #[cfg(feature = "serve")] Store in store
}

fn run<V: Run>(verb: V, out: &mut Out) -> Result<Outcome, Failure> {
    // Such a verb would seem to succeed, although its only effect is lost.
    if V::NEEDS_OUTPUT && usage::stdout_is_closed() {
        return Err(Failure::Output(io::Error::other(usage::CLOSED)));
    }
    verb.run(out)
}
