//! The settings that the service manager reads.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::words::{LogFormat, LogLevel};

/// Holds each setting that the service manager reads, under its key. The launcher passes them on unchanged, as a part
/// of `ServiceSettings` (`service_settings.rs`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceOptions {
    /// Text-to-speech model (Hugging Face ID).
    pub tts_model: String,
    /// Speech-to-text model (Hugging Face ID).
    pub stt_model: String,
    /// Voice for the warm-up, realtime sessions and the web page.
    pub voice: String,
    /// Whether English text is normalised before it is spoken.
    pub normalize: bool,
    /// Whether both models are loaded as soon as the port answers.
    pub preload: bool,
    /// The largest body of a request, in MiB.
    pub upload_limit: u32,
    pub log_level: LogLevel,
    pub log_format: LogFormat,
    /// File for the log; none means standard error.
    pub log_file: Option<PathBuf>,
    /// Whether the hub is never asked.
    pub offline: bool,
    /// Directory for the state of the service.
    pub state_dir: PathBuf,
    /// Whether the web page is served, if the runtime has it.
    pub ui: bool,
}
