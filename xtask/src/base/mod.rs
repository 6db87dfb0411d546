//! The base of all other modules, without knowledge of the product.

pub mod digest;
pub mod failure;
pub mod git;
pub mod host;
pub mod program;
pub mod quantity;
pub mod tarball;
