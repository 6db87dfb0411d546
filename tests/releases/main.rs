//! From a runtime to the machine of a user: bundles, images, and the installer of a release.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod bundles;
mod images;
mod install;
mod install_disturbed;
#[path = "../support/mod.rs"]
mod support;
