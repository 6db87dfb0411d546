//! What everything stands on, and knows no product.

pub mod digest;
pub mod failure;
pub mod git;
pub mod host;
pub mod program;
pub mod quantity;
pub mod tarball;
