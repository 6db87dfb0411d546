//! Shared by the tool that makes runtimes and the launcher, so that each is written down once: the layout of
//! a runtime, `runtime.json`, how the two are compared, exit codes and failures.

pub mod description;
pub mod exit;
pub mod failure;
pub mod hex;
pub mod input;
pub mod layout;
pub mod name;
pub mod size;
pub mod system;
pub mod tree;
pub mod verification;
