//! The flags that choose a runtime and its inputs.

use camino::Utf8PathBuf;
use clap::Args;

/// Which runtime, and where its inputs come from.
#[derive(Args, Clone, Debug, Default)]
#[group(skip)]
pub struct ProvisionArgs {
    /// Target triple of the machines the runtime is for [default: this machine]
    #[arg(long, value_name = "TRIPLE")]
    pub target: Option<String>,
    /// Which wheels: cpu, coreml or cuda [default: the target's own]
    #[arg(long, value_name = "ACCELERATOR")]
    pub accelerator: Option<String>,
    /// Python of the runtime: a minor version such as 3.12, or a full one [default: see manifests/python.toml]
    #[arg(long, value_name = "VERSION")]
    pub python: Option<String>,
    /// Leave out optional parts: diarization, ui
    #[arg(long, value_name = "PART,…", value_delimiter = ',')]
    pub without: Option<Vec<String>>,
    /// Models to bundle: default, none, or repositories of the hub, as ID or ID@REVISION [default: default]
    #[arg(long, value_name = "default|none|ID,…")]
    pub models: Option<String>,
    /// Take CPython from an archive of python-build-standalone, or copy this interpreter
    #[arg(long, value_name = "PATH")]
    pub python_from: Option<Utf8PathBuf>,
    /// Take speaches from a checkout or a source archive
    #[arg(long, value_name = "PATH")]
    pub speaches_from: Option<Utf8PathBuf>,
    /// Take models from a Hugging Face cache
    #[arg(long, value_name = "HF_CACHE")]
    pub models_from: Option<Utf8PathBuf>,
    /// Use this launcher instead of building one
    #[arg(long, value_name = "PATH")]
    pub launcher: Option<Utf8PathBuf>,
    /// Never use the network
    #[arg(long)]
    pub offline: bool,
    /// Refuse inputs that the manifests and locks do not pin
    #[arg(long, conflicts_with = "allow_unpinned")]
    pub locked: bool,
    /// Take a speaches tree or a CPython archive that is not the pinned one, and record it
    #[arg(long)]
    pub allow_unpinned: bool,
}
