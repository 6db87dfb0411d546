//! The way from pinned inputs to a runtime: what is fetched from where, what is kept, what is refused, and what is said.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod connections;
mod endurance;
mod fetching;
mod models;
mod output;
mod packaged;
mod port;
mod provision;
mod refusals;
mod sources;
mod store;
#[path = "../support/mod.rs"]
mod support;
mod targets;
mod vendor;
mod weights;
