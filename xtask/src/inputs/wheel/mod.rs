//! Wheels: their addresses on the user's index, and their trees in the store. The crate `wheel-archive` reads their names
//! and archives.

mod credentials;
pub mod excluded_files;
pub mod fill;
pub mod index;
pub mod texts;
pub mod tree;
pub mod uv;
