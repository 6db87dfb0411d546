//! Enums for settings with a fixed set of words. A setting with `Kind::Choice` in the table has an enum here with at
//! least these words, except perhaps `auto` (see [`unless_auto`]).

use std::fmt;

use serde::de::value::StringDeserializer;
use serde::{Deserialize, Deserializer, Serialize};

/// Enums whose values are called the same in every layer of the settings, in JSON and in messages.
macro_rules! words {
    ($($(#[$about:meta])* $kind:ident { $($(#[$note:meta])* $word:ident = $text:literal,)+ })+) => {$(
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $kind {
            $($(#[$note])* #[serde(rename = $text)] $word,)+
        }

        impl $kind {
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$word => $text),+ }
            }
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }
    )+};
}

words! {
    Accelerator {
        Cpu = "cpu",
        /// Transcription on Metal.
        Metal = "metal",
        /// Speech on CoreML.
        CoreMl = "coreml",
        /// Both on CUDA.
        Cuda = "cuda",
    }

    Backend {
        /// Upstream's own, over CTranslate2.
        FasterWhisper = "faster-whisper",
        /// whisper.cpp, with faster-whisper behind it.
        WhisperCpp = "whispercpp",
    }

    Device {
        Cpu = "cpu",
        /// A GPU of NVIDIA's.
        Cuda = "cuda",
        Metal = "metal",
    }

    /// The onnxruntime provider of speech models.
    Provider {
        Cpu = "cpu",
        /// Apple's GPU or neural engine, as CoreML decides.
        CoreMl = "coreml",
        /// A GPU of NVIDIA's.
        Cuda = "cuda",
    }

    /// The precision of a quantised text-to-speech model.
    Precision {
        /// The precision of the fastest measured candidate; float32 before the measurement. On an NVIDIA GPU, the
        /// original.
        Auto = "auto",
        /// The weights of the model's own file.
        Original = "original",
        /// The same weights as float32.
        Float32 = "float32",
    }

    LogLevel {
        Debug = "debug",
        Info = "info",
        Warning = "warning",
        Error = "error",
        Critical = "critical",
    }

    /// The format of a log line.
    LogFormat {
        Text = "text",
        Json = "json",
    }
}

/// A word, or nothing for `auto`: then the policy decides.
pub fn unless_auto<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let word = String::deserialize(deserializer)?;
    if word == "auto" { Ok(None) } else { T::deserialize(StringDeserializer::new(word)).map(Some) }
}
