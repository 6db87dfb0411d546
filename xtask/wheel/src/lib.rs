//! Wheels, without any I/O of its own: what their names say, their `RECORD`, and unpacking them.
//!
//! [`unpack::unpack`] reads an archive and hands every file that is to be installed to a [`unpack::Sink`]. It is made
//! for trees of a foreign target, so nothing in it asks what machine it runs on; and it believes nothing that it
//! did not check, so it may read untrusted bytes.

#![warn(missing_docs)]

mod archive;
mod central;
mod errata;
mod member;
mod metadata;
pub mod name;
pub mod path;
pub mod place;
pub mod record;
pub mod unpack;

/// A sha256 digest.
pub type Sha256 = [u8; 32];
