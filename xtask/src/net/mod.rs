//! HTTP clients, and the address of the Hugging Face hub. `store::fetch` downloads files.

pub mod http;
pub mod huggingface;
