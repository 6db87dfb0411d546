//! The code that the tool and the launcher share: the layout of a runtime, `runtime.json`, the comparison of the two,
//! exit codes and failures.

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
