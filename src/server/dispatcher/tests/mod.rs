//! The dispatcher over the model of a store, with a virtual clock or real sockets.

mod attempts;
mod failing;
mod isolation;
mod model;
mod receivers;
mod spec;
mod stage;
mod state;
mod times;
