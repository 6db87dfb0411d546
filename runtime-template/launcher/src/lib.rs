//! What the launcher of a runtime and the tool that makes runtimes agree on, and the launcher itself.
//!
//! The binary `speaches` decides (configuration, checks, sockets, environment) and then becomes the Python service
//! manager. The provisioning tool links this library for the layout of a runtime, for `runtime.json`, for comparing
//! the two, and for the exit codes, so that each is written down once.

pub mod accelerators;
pub mod addresses;
mod child;
pub mod commands;
pub mod config;
#[cfg(windows)]
mod console;
pub mod environment;
pub mod exit;
pub mod failure;
pub mod harbor;
pub mod hub;
pub mod input;
pub mod instance;
#[cfg(windows)]
mod job;
pub mod layout;
#[cfg(unix)]
pub mod listeners;
pub mod machine;
pub mod manager;
pub mod models;
#[cfg(unix)]
pub mod open_files;
pub mod own_runtime;
pub mod policy;
#[cfg(unix)]
pub mod port_holder;
pub mod private_directory;
pub mod process;
pub mod runtime;
pub mod system;
pub mod tree;
pub mod verification;
