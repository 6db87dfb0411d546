//! The table of all settings: the names, the type and the default of each.
//!
//! The launcher makes the parsers, the command line, `speaches config` and `docs/configuration.md` from this table.

use serde_json::{Value, json};
use speaches_format::description::RuntimeInfo;

use super::directories;
use super::kind::Kind;
use super::sources::Sources;
use crate::addresses;

/// How a setting is given on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    None,
    /// `--name VALUE`, with the name of the value for the help.
    Value(&'static str, &'static str),
    /// `--name`, and `--no-name` for the opposite.
    Switch(&'static str, &'static str),
}

pub struct Definition {
    /// Its name in `speaches config`, and below `x-speaches` in the YAML file if `in_file`.
    pub key: &'static str,
    pub flag: Flag,
    /// Environment variables, strongest first.
    pub variables: &'static [&'static str],
    /// Whether the YAML file may have it.
    pub in_file: bool,
    /// Whether it is never shown.
    pub secret: bool,
    pub kind: Kind,
    /// The help text of its flag.
    pub help: &'static str,
    pub default_text: &'static str,
    /// The default on this machine and in this runtime.
    pub default: fn(&Sources<'_>, &RuntimeInfo) -> Value,
}

/// The task of a text-to-speech model.
pub const TEXT_TO_SPEECH: &str = "text-to-speech";
/// The task of a speech-to-text model.
pub const SPEECH_TO_TEXT: &str = "automatic-speech-recognition";

const COMMON: Definition = Definition {
    key: "",
    flag: Flag::None,
    variables: &[],
    in_file: true,
    secret: false,
    kind: Kind::Text,
    help: "",
    default_text: "",
    default: |_, _| Value::Null,
};

/// Every setting, in the order in which they are shown.
pub static OPTIONS: &[Definition] = &[
    Definition {
        key: "host",
        flag: Flag::Value("host", "ADDRESS"),
        variables: &["HARBOR_SPEACHES_HOST", "UVICORN_HOST"],
        kind: Kind::Addresses,
        help: "IP address or `localhost` to listen on; for several, separate them with commas or repeat the flag",
        default_text: "127.0.0.1, on Linux also the address of `docker0`",
        default: |_, _| json!(addresses::defaults()),
        ..COMMON
    },
    Definition {
        key: "port",
        flag: Flag::Value("port", "PORT"),
        variables: &["HARBOR_SPEACHES_HOST_PORT", "UVICORN_PORT"],
        kind: Kind::Port,
        help: "TCP port to listen on; 0 picks a free port",
        default_text: "the port of the Harbor contract, else 34331",
        default: |_, _| json!(34331),
        ..COMMON
    },
    Definition {
        key: "tts_model",
        flag: Flag::Value("tts-model", "ID"),
        variables: &["HARBOR_SPEACHES_TTS_MODEL", "SPEACHES_TTS_MODEL"],
        help: "text-to-speech model (Hugging Face ID)",
        default_text: "the first bundled model, else `speaches-ai/Kokoro-82M-v1.0-ONNX-int8`",
        default: |_, info| model(info, TEXT_TO_SPEECH, "speaches-ai/Kokoro-82M-v1.0-ONNX-int8"),
        ..COMMON
    },
    Definition {
        key: "stt_model",
        flag: Flag::Value("stt-model", "ID"),
        variables: &["HARBOR_SPEACHES_STT_MODEL", "SPEACHES_STT_MODEL"],
        help: "speech-to-text model (Hugging Face ID)",
        default_text: "the first bundled model, else `Systran/faster-distil-whisper-small.en`",
        default: |_, info| model(info, SPEECH_TO_TEXT, "Systran/faster-distil-whisper-small.en"),
        ..COMMON
    },
    Definition {
        key: "voice",
        flag: Flag::Value("voice", "NAME"),
        variables: &["HARBOR_SPEACHES_TTS_VOICE", "SPEACHES_TTS_VOICE"],
        help: "voice of realtime sessions, of the web page and of the warm-up",
        default_text: "the voice of the bundled model, else `af_bella`",
        default: |_, info| {
            let bundled = info.served_for(TEXT_TO_SPEECH);
            json!(bundled.and_then(|model| model.voice.as_deref()).unwrap_or("af_bella"))
        },
        ..COMMON
    },
    Definition {
        key: "accelerator",
        flag: Flag::Value("accelerator", "NAME"),
        variables: &["HARBOR_SPEACHES_ACCELERATOR", "SPEACHES_ACCELERATOR"],
        kind: Kind::Choice(&["auto", "cpu", "metal", "coreml", "cuda"]),
        help: "hardware that runs the models",
        default_text: "auto",
        default: |_, _| json!("auto"),
        ..COMMON
    },
    Definition {
        key: "stt_backend",
        flag: Flag::Value("stt-backend", "NAME"),
        variables: &["HARBOR_SPEACHES_STT_BACKEND", "SPEACHES_STT_BACKEND"],
        kind: Kind::Choice(&["auto", "faster-whisper", "whispercpp"]),
        help: "speech-to-text backend",
        default_text: "auto",
        default: |_, _| json!("auto"),
        ..COMMON
    },
    Definition {
        key: "stt_device",
        flag: Flag::Value("stt-device", "NAME"),
        variables: &["WHISPER__INFERENCE_DEVICE"],
        kind: Kind::Choice(&["auto", "cpu", "cuda"]),
        help: "device for faster-whisper",
        default_text: "auto",
        default: |_, _| json!("auto"),
        ..COMMON
    },
    Definition {
        key: "tts_provider",
        flag: Flag::Value("tts-provider", "NAME"),
        variables: &["HARBOR_SPEACHES_ONNX_PROVIDER", "ONNX_PROVIDER"],
        kind: Kind::Provider(&["auto", "cpu", "coreml", "cuda"]),
        help: "device for the text-to-speech model",
        default_text: "auto",
        default: |_, _| json!("auto"),
        ..COMMON
    },
    Definition {
        key: "precision",
        flag: Flag::Value("precision", "NAME"),
        variables: &["HARBOR_SPEACHES_PRECISION", "SPEACHES_PRECISION"],
        kind: Kind::Choice(&["auto", "original", "float32"]),
        help: "precision of a quantised text-to-speech model",
        default_text: "auto",
        default: |_, _| json!("auto"),
        ..COMMON
    },
    Definition {
        key: "normalize",
        flag: Flag::Switch("normalize", "no-normalize"),
        variables: &["SPEACHES_NORMALIZE"],
        kind: Kind::Switch,
        help: "normalise English text before it is spoken: marks, signs and units",
        default_text: "true",
        default: |_, _| json!(true),
        ..COMMON
    },
    Definition {
        key: "preload",
        flag: Flag::Switch("preload", "no-preload"),
        variables: &["SPEACHES_PRELOAD"],
        kind: Kind::Switch,
        help: "load both models as soon as the port answers",
        default_text: "true",
        default: |_, _| json!(true),
        ..COMMON
    },
    Definition {
        key: "stt_idle",
        flag: Flag::Value("stt-idle", "SECONDS"),
        variables: &["STT_MODEL_TTL"],
        kind: Kind::Idle,
        help: "seconds after which an idle speech-to-text model is unloaded; -1 keeps it",
        default_text: "300",
        default: |_, _| json!(300),
        ..COMMON
    },
    Definition {
        key: "tts_idle",
        flag: Flag::Value("tts-idle", "SECONDS"),
        variables: &["TTS_MODEL_TTL"],
        kind: Kind::Idle,
        help: "seconds after which an idle text-to-speech model is unloaded; -1 keeps it",
        default_text: "300",
        default: |_, _| json!(300),
        ..COMMON
    },
    Definition {
        key: "upload_limit",
        flag: Flag::Value("upload-limit", "MIB"),
        variables: &["SPEACHES_UPLOAD_LIMIT"],
        kind: Kind::Mebibytes,
        help: "largest accepted request, in MiB",
        default_text: "1024",
        default: |_, _| json!(1024),
        ..COMMON
    },
    Definition {
        key: "log_level",
        flag: Flag::Value("log-level", "LEVEL"),
        variables: &["LOG_LEVEL"],
        kind: Kind::Choice(&["debug", "info", "warning", "error", "critical"]),
        help: "log level",
        default_text: "info",
        default: |_, _| json!("info"),
        ..COMMON
    },
    Definition {
        key: "log_format",
        flag: Flag::Value("log-format", "FORMAT"),
        variables: &["LOG_FORMAT", "SPEACHES_LOG_FORMAT"],
        kind: Kind::Choice(&["text", "json"]),
        help: "format of the log: text or JSON, one line per event",
        default_text: "text",
        default: |_, _| json!("text"),
        ..COMMON
    },
    Definition {
        key: "log_file",
        flag: Flag::Value("log-file", "PATH"),
        variables: &["SPEACHES_LOG_FILE"],
        kind: Kind::Path,
        help: "log file",
        default_text: "standard error",
        ..COMMON
    },
    Definition {
        key: "api_key",
        variables: &["API_KEY"],
        secret: true,
        help: "API key that clients must send",
        default_text: "none",
        ..COMMON
    },
    Definition {
        key: "api_key_file",
        flag: Flag::Value("api-key-file", "PATH"),
        variables: &["API_KEY_FILE"],
        kind: Kind::Path,
        help: "file with the API key that clients must send",
        default_text: "none",
        ..COMMON
    },
    Definition {
        key: "hf_cache",
        flag: Flag::Value("hf-cache", "DIR"),
        variables: &["HF_HUB_CACHE", "HF_HOME", "HARBOR_HF_CACHE"],
        kind: Kind::HubDirectory,
        help: "Hugging Face directory that contains `hub/`",
        default_text: "`~/.cache/huggingface`",
        default: |sources, _| json!(directories::default_hub(sources)),
        ..COMMON
    },
    Definition {
        key: "hf_token",
        variables: &["HF_TOKEN", "HARBOR_HF_TOKEN"],
        in_file: false,
        secret: true,
        help: "token for downloads from the hub",
        default_text: "the token that `hf auth login` stored",
        ..COMMON
    },
    Definition {
        key: "offline",
        flag: Flag::Switch("offline", "no-offline"),
        variables: &["HF_HUB_OFFLINE"],
        kind: Kind::Switch,
        help: "never contact the Hugging Face hub",
        default_text: "false",
        default: |_, _| json!(false),
        ..COMMON
    },
    Definition {
        key: "state_dir",
        flag: Flag::Value("state-dir", "DIR"),
        variables: &["SPEACHES_STATE_DIR"],
        kind: Kind::Path,
        help: "directory for the state of a running service",
        default_text: "a directory per port in the user's state directory",
        ..COMMON
    },
    Definition {
        key: "ui",
        flag: Flag::Switch("ui", "no-ui"),
        variables: &["ENABLE_UI"],
        kind: Kind::Switch,
        help: "serve the web page, if the runtime has one",
        default_text: "true",
        default: |_, _| json!(true),
        ..COMMON
    },
];

#[must_use]
pub fn find(key: &str) -> Option<&'static Definition> {
    OPTIONS.iter().find(|definition| definition.key == key)
}

fn model(info: &RuntimeInfo, task: &str, otherwise: &str) -> Value {
    let bundled = info.served_for(task);
    json!(bundled.map_or(otherwise, |model| &model.id))
}
