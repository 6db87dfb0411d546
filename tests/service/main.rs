//! Runtimes in use: the commands of the launcher, the service and its hardware, and Harbor around it.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod accelerators;
mod harbor;
mod harbor_stack;
mod launcher;
mod lifecycle;
#[cfg(target_os = "linux")]
mod login;
mod parity;
mod serve;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod snapshots;
#[path = "../support/mod.rs"]
mod support;
mod whispercpp;
