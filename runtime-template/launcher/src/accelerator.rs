//! What a runtime can compute on, and choices that it cannot follow.

use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::runtime::Head;

/// What a runtime allows. Whether the machine has it is found out when a model is loaded.
pub struct Capabilities {
    /// `cpu`, `metal`, `coreml`, `cuda`.
    pub accelerators: Vec<&'static str>,
    /// `faster-whisper`, `whispercpp`.
    pub stt_backends: Vec<&'static str>,
    /// `cpu`, `cuda`.
    pub stt_devices: Vec<&'static str>,
    /// `cpu`, `coreml`, `cuda`.
    pub tts_providers: Vec<&'static str>,
}

impl Capabilities {
    /// What the wheels of a runtime can do.
    #[must_use]
    pub fn of(head: &Head) -> Self {
        let cuda = (head.accelerator == "cuda").then_some("cuda");
        let coreml = (head.accelerator == "coreml" && head.target.ends_with("-apple-darwin")).then_some("coreml");
        let whispercpp =
            head.inputs.iter().any(|input| input.kind == "wheel" && input.name.starts_with("pywhispercpp-"));
        let metal = (coreml.is_some() && head.target.starts_with("aarch64")).then_some("metal");
        let with = |base: &'static str, more: &[Option<&'static str>]| {
            std::iter::once(base).chain(more.iter().copied().flatten()).collect::<Vec<_>>()
        };
        Self {
            accelerators: with("cpu", &[metal, coreml, cuda]),
            stt_backends: with("faster-whisper", &[whispercpp.then_some("whispercpp")]),
            stt_devices: with("cpu", &[cuda]),
            tts_providers: with("cpu", &[coreml, cuda]),
        }
    }
}

/// Refuses a choice that the runtime cannot follow; `auto` is always possible.
///
/// # Errors
/// [`Exit::Unavailable`], naming the choice, who made it, and what is possible.
pub fn check(config: &Config, head: &Head) -> Result<(), Failure> {
    let can = Capabilities::of(head);
    let values = &config.values;
    for (key, value, possible) in [
        ("accelerator", &values.accelerator, &can.accelerators),
        ("stt_backend", &values.stt_backend, &can.stt_backends),
        ("stt_device", &values.stt_device, &can.stt_devices),
        ("tts_provider", &values.tts_provider, &can.tts_providers),
    ] {
        if value != "auto" && !possible.contains(&value.as_str()) {
            return Err(Failure::new(
                Exit::Unavailable,
                format!(
                    "`{key}` is `{value}` ({}), which this runtime for {} ({}) cannot do",
                    config.origin(key),
                    head.target,
                    head.accelerator
                ),
            )
            .hint(format!(
                "it can do: auto, {}. Another runtime is made with `cargo xtask provision --accelerator`",
                possible.join(", ")
            )));
        }
    }
    Ok(())
}
