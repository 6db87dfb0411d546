//! Documents, manifests, workflows and licenses of this repository: they agree with each other and with the programs.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod commands;
mod kubernetes;
mod layers;
mod licenses;
mod packages;
mod promises;
#[path = "../support/mod.rs"]
mod support;
mod workflows;
