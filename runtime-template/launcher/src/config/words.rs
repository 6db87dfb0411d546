//! Words that settings are chosen from, as types: understood once, where the settings are read.

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
            /// As the settings have it.
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
    /// What computes: the coarse choice.
    Accelerator {
        /// Everything on the CPU.
        Cpu = "cpu",
        /// Transcription on Metal.
        Metal = "metal",
        /// Speech on CoreML.
        CoreMl = "coreml",
        /// Both on CUDA.
        Cuda = "cuda",
    }

    /// What runs Whisper.
    Backend {
        /// Upstream's own, over CTranslate2.
        FasterWhisper = "faster-whisper",
        /// whisper.cpp, with faster-whisper behind it.
        WhisperCpp = "whispercpp",
    }

    /// What Whisper runs on.
    Device {
        /// The processor.
        Cpu = "cpu",
        /// A GPU of NVIDIA's.
        Cuda = "cuda",
        /// A GPU of Apple's.
        Metal = "metal",
    }

    /// What onnxruntime runs models that speak on.
    Provider {
        /// The processor.
        Cpu = "cpu",
        /// Apple's GPU or neural engine, as CoreML decides.
        CoreMl = "coreml",
        /// A GPU of NVIDIA's.
        Cuda = "cuda",
    }

    /// The numbers that a quantised model that speaks computes with.
    Precision {
        /// As was found to be faster: float32 as long as nothing was.
        Auto = "auto",
        /// As they are in the model's own file.
        Original = "original",
        /// The same weights as float32.
        Float32 = "float32",
    }

    /// How much is logged.
    LogLevel {
        /// Everything.
        Debug = "debug",
        /// What happens.
        Info = "info",
        /// What should not happen.
        Warning = "warning",
        /// What fails.
        Error = "error",
        /// What ends the service.
        Critical = "critical",
    }

    /// What a line of the log is.
    LogFormat {
        /// For people.
        Text = "text",
        /// For programs.
        Json = "json",
    }
}

/// A word, or nothing for `auto`: then the policy decides.
///
/// # Errors
/// When it is another word.
pub fn unless_auto<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let word = String::deserialize(deserializer)?;
    if word == "auto" { Ok(None) } else { T::deserialize(StringDeserializer::new(word)).map(Some) }
}
