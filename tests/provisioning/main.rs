//! The way from pinned inputs to a runtime: downloads and their sources, the store, refusals, and messages.
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
