//! The benchmarks that there are, and what their pages say about them.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A benchmark, by the name of its subcommand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Benchmark {
    Bundle,
    Verify,
    Fetch,
    Wheels,
    Start,
    Speech,
    Transcribe,
    Load,
}

impl Benchmark {
    /// All of them, in the order in which they run and are shown.
    pub fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// What its table and its plot are called.
    pub fn title(self) -> &'static str {
        match self {
            Self::Bundle => "Packing a runtime",
            Self::Verify => "Verifying a runtime",
            Self::Fetch => "Downloading",
            Self::Wheels => "Filling site-packages from a lock",
            Self::Start => "Starting",
            Self::Speech => "Speaking",
            Self::Transcribe => "Transcribing",
            Self::Load => "Many clients",
        }
    }

    /// What is compared, as Markdown.
    pub fn about(self) -> &'static str {
        match self {
            Self::Bundle => {
                "`cargo xtask bundle` compares every file with `runtime.json` while it packs, and writes checksum and bill \
                 of materials. `tar` and `zstd` only pack, at the same level and on the same processors."
            }
            Self::Verify => {
                "`speaches verify` compares every file of a runtime with `runtime.json` and looks for further ones. \
                 `sha256sum` only hashes the same files, on all processors. Both read what the system has in memory."
            }
            Self::Fetch => {
                "The downloader of `provision` and others fetch the same files from a server on this machine. curl checks \
                 no hash, unless sha256sum does it afterwards; uv unpacks as well, since it cannot only download."
            }
            Self::Wheels => {
                "The wheels of a lock, once fetched from the package index and unpacked (cold), once put there from what \
                 is cached (warm). All check the hashes and compile no bytecode."
            }
            Self::Start => {
                "A runtime and upstream with its bytecode, as in its image, both with the user interface and the same models. Times \
                 count from the start of the process. Memory is what is resident; most of it while a paragraph is spoken \
                 and a minute of speech transcribed, and at the end 5 s after models that are unused for 10 s are unloaded."
            }
            Self::Speech => {
                "The same request to a runtime and to upstream, a sentence and a paragraph. A runtime encodes speech itself, \
                 upstream starts ffmpeg. `sse` is a stream of events. Processor time is that of the server and of what it \
                 starts."
            }
            Self::Transcribe => {
                "A runtime and upstream with the same model and recording. Where the runtime has weights for it, whisper.cpp \
                 beside faster-whisper as well, with the same number of threads, then several clients at the same moment, \
                 until the last has its answer."
            }
            Self::Load => {
                "As many clients speak a paragraph as speak one word and as transcribe a minute, all at once, beside some \
                 that are rude. It fails when an answer is wrong, or when one that is being read at the end is cut."
            }
        }
    }
}

impl fmt::Display for Benchmark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value().expect("no benchmark is hidden");
        formatter.write_str(value.get_name())
    }
}
