//! Waiting until a service can speak and transcribe: its models may have to be fetched first.

use std::time::{Duration, Instant};

use serde::Deserialize;
use speaches_format::failure::{Exit, Failure};

use super::background::Background;
use crate::instance::Instance;

/// How long nothing may change while models are loaded. The service gives up on one after 300 s.
const TIMEOUT: Duration = Duration::from_secs(360);
/// How long nothing may change while one is fetched. The service gives up on that after 3600 s.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(3660);
/// Between two looks at what the service says about itself.
const PAUSE: Duration = Duration::from_millis(100);

/// A default model, as `status.json` has it.
#[derive(Clone, Debug, Deserialize)]
pub struct Model {
    task: String,
    id: String,
    phase: String,
    #[serde(default)]
    reason: Option<String>,
}

impl Model {
    #[must_use]
    pub fn all(instance: &Instance) -> Vec<Self> {
        serde_json::from_value(instance.status.models.clone()).unwrap_or_default()
    }

    /// Whether it cannot be used.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.phase == "failed"
    }

    fn purpose(&self) -> &str {
        match self.task.as_str() {
            "text-to-speech" => "speech",
            "automatic-speech-recognition" => "transcription",
            other => other,
        }
    }

    /// Harbor's name of the setting that chooses it.
    fn setting(&self) -> &'static str {
        if self.task == "text-to-speech" { "speaches.tts_model" } else { "speaches.stt_model" }
    }

    /// Why it cannot be used.
    #[must_use]
    pub fn complaint(&self) -> String {
        let reason = self.reason.as_deref().unwrap_or("the log has the reason");
        format!("{} does not work: `{}`: {reason}", self.purpose(), self.id)
    }

    /// How far it is; None when there is nothing to wait for.
    fn progress(&self) -> Option<String> {
        match self.phase.as_str() {
            "ready" | "failed" => None,
            "waiting" => Some(self.purpose().to_owned()),
            phase => Some(format!("{} ({phase} `{}`)", self.purpose(), self.id)),
        }
    }
}

/// Waits until a service that runs has done with its models, and says what it waits for, each time that changes. A service
/// that does without one of them is good enough, and it is said what does not work.
///
/// # Errors
/// [`Exit::Unavailable`] when the service ends or can use none of its models, [`Exit::Temporary`] when it gets no further.
pub fn wait(background: &Background<'_>) -> Result<Instance, Failure> {
    let mut said = String::new();
    let mut changed = Instant::now();
    loop {
        let Some(instance) = background.running() else { return Err(ended(background)) };
        let models = Model::all(&instance);
        if ["ready", "degraded"].contains(&instance.phase()) {
            return judge(instance, &models, background);
        }
        let now = waits_for(&instance, &models);
        if now != said {
            eprintln!("{now}");
            said = now;
            changed = Instant::now();
        }
        let is_fetching = models.iter().any(|model| model.phase == "fetching");
        let timeout = if is_fetching { DOWNLOAD_TIMEOUT } else { TIMEOUT };
        if changed.elapsed() > timeout {
            let said = format!(
                "the service (pid {}) made no progress within {} s: {said}",
                instance.status.pid,
                timeout.as_secs()
            );
            return Err(Failure::new(Exit::Temporary, said)
                .hint(format!("read its log `{}`; `speaches harbor stop` stops it", background.log().display())));
        }
        std::thread::sleep(PAUSE);
    }
}

fn waits_for(instance: &Instance, models: &[Model]) -> String {
    let open = models.iter().filter_map(Model::progress).collect::<Vec<_>>();
    if instance.phase() == "serving" && !open.is_empty() {
        format!("waiting for {}", open.join(" and "))
    } else {
        format!("waiting for the service: {}", instance.phase())
    }
}

fn judge(instance: Instance, models: &[Model], background: &Background<'_>) -> Result<Instance, Failure> {
    let failed = models.iter().filter(|model| model.has_failed()).collect::<Vec<_>>();
    if failed.len() == models.len() && !models.is_empty() {
        let pid = instance.status.pid;
        let complaints = failed.iter().map(|model| model.complaint()).collect::<Vec<_>>().join("\n  ");
        return Err(Failure::new(
            Exit::Unavailable,
            format!("the service runs (pid {pid}), but cannot use any of its models:\n  {complaints}"),
        )
        .hint(format!(
            "`speaches models list` shows the models, and `{}` is the log; run `speaches harbor stop` before you try \
             again",
            background.log().display()
        )));
    }
    for model in failed {
        eprintln!("warning: {}", model.complaint());
        eprintln!(
            "hint: `speaches models list` shows the models that are here; `harbor config set {} ID` chooses one",
            model.setting()
        );
    }
    Ok(instance)
}

fn ended(background: &Background<'_>) -> Failure {
    let last = background.end_of_log(0, |_| false);
    Failure::new(Exit::Unavailable, format!("the service ended before it was ready; the end of its log:\n  {last}"))
        .hint(format!("the complete log is `{}`", background.log().display()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::instance::Status;

    fn instance(phase: &str, models: &serde_json::Value) -> Instance {
        let status: Status =
            serde_json::from_value(json!({"pid": 7, "port": 1, "phase": phase, "models": models})).unwrap();
        Instance { directory: "/".into(), status, raw: json!({}), alive: true }
    }

    #[test]
    fn what_it_waits_for_names_the_models_that_are_not_ready() {
        let said = |phase: &str, speech: &str, transcription: &str| {
            let models = json!([
                {"task": "text-to-speech", "id": "a/b", "phase": speech, "reason": null},
                {"task": "automatic-speech-recognition", "id": "c/d", "phase": transcription},
            ]);
            let instance = instance(phase, &models);
            waits_for(&instance, &Model::all(&instance))
        };
        assert_eq!(said("starting", "waiting", "waiting"), "waiting for the service: starting");
        assert_eq!(said("serving", "waiting", "waiting"), "waiting for speech and transcription");
        assert_eq!(
            said("serving", "fetching", "warming"),
            "waiting for speech (fetching `a/b`) and transcription (warming `c/d`)"
        );
        assert_eq!(said("serving", "failed", "warming"), "waiting for transcription (warming `c/d`)");
        assert_eq!(said("serving", "ready", "ready"), "waiting for the service: serving");
    }

    #[test]
    fn a_model_says_what_does_not_work_and_why() {
        let models = json!([{"task": "text-to-speech", "id": "a/b", "phase": "failed", "reason": "it is damaged"}]);
        let model = &Model::all(&instance("degraded", &models))[0];
        assert!(model.has_failed());
        assert_eq!(model.complaint(), "speech does not work: `a/b`: it is damaged");
    }
}
