//! The program, tested by its arguments, input, output and exit codes.

mod diff;
mod edges;
mod guide;
mod listings;
mod output;
mod requests;
mod threads;
mod verbs;
mod webhooks;
