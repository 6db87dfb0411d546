//! The agreements between documents, manifests, workflows, licenses and programs of this repository.
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
