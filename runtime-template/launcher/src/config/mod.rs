//! The configuration of the service, with the origin of each value.
//!
//! Strongest first: command line, environment, Harbor's `override.env`, YAML, defaults. An empty environment variable
//! counts as unset, because Harbor passes the ones it does not know as empty text.

mod api_key;
pub mod directories;
pub mod document;
pub mod file;
pub mod flags;
pub mod kind;
mod layers;
mod origin;
pub mod override_env;
pub mod service_directories;
mod service_options;
pub mod setting_table;
mod settings;
mod sources;
#[cfg(test)]
pub(crate) mod tests;
mod values;
pub mod words;

pub use flags::Flags;
pub use origin::{Origin, Setting};
pub use service_options::ServiceOptions;
pub use settings::Config;
pub use sources::Sources;
pub use values::Values;
