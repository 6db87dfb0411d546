//! Harbor (av/harbor, the toolkit for local language models): its home, the files that make it use a runtime, and the
//! service that runs beside a Harbor without a native mode.

pub mod background;
pub mod files;
pub mod home;
mod marked;
