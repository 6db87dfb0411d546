//! Harbor (av/harbor, the toolkit for local language models): its home, the files that make it use a runtime, the service
//! that runs beside it, and what lies between that service and Harbor's containers.

pub mod background;
pub mod bridge;
pub mod docker;
pub mod files;
mod health;
pub mod home;
pub mod hops;
mod marked;
pub mod readiness;
pub mod script;
pub mod settings;
