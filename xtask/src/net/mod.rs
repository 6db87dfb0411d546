//! Servers: HTTP, and how the hub is addressed.

pub mod http;
pub mod huggingface;
