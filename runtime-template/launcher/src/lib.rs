//! What the launcher of a runtime and the tool that makes runtimes agree on, and the launcher itself.
//!
//! The binary `speaches` decides (configuration, checks, environment) and then becomes the Python service
//! manager. The provisioning tool links this library for the layout of a runtime, for `runtime.json` and
//! for the exit codes, so that each is written down once.

pub mod addresses;
pub mod config;
pub mod environment;
pub mod exit;
pub mod failure;
pub mod layout;
pub mod runtime;
pub mod serve;
