//! Wheels: where the user's index has them, and their trees in the store. What their names and archives are is in the
//! crate `wheel-archive`.

mod credentials;
pub mod excluded_files;
pub mod fill;
pub mod index;
pub mod texts;
pub mod tree;
pub mod uv;
