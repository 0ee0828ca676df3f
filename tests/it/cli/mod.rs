//! The program, tested from outside by what it reads and writes.

mod diff;
mod edges;
mod guide;
mod listings;
mod output;
mod requests;
mod threads;
mod verbs;
mod webhooks;
