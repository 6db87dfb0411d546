//! The launcher of a runtime: `speaches` decides (configuration, checks, sockets, environment) and then becomes the Python
//! service manager.

pub mod accelerators;
pub mod addresses;
mod child;
pub mod commands;
pub mod config;
#[cfg(windows)]
mod console;
pub mod environment;
pub mod harbor;
pub mod hub;
pub mod instance;
#[cfg(windows)]
mod job;
#[cfg(unix)]
pub mod listeners;
pub mod listening;
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
pub mod service_settings;
