//! The kinds of models that speaches serves.
//!
//! speaches recognises a model by the card in its `README.md`, not by its name or files (`HfModelFilter` in its
//! `hf_utils.py`, with a filter in each of its executors). This module has the same filters, so that no runtime gets a
//! model that the runtime would not list.

use super::card::Card;
use crate::base::failure::{Exit, Failure};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Whisper in CTranslate2 format.
    Whisper,
    /// NVIDIA's Parakeet TDT in ONNX format, as `istupakov` publishes it.
    Parakeet,
    Piper,
    Kokoro,
}

/// Files by how speaches and the libraries below it ask for them: `?` stands for one character, `*` at the end for all
/// that follow.
struct Files {
    /// Without one for each of these the model cannot be used without network.
    needed: &'static [&'static str],
    /// Optional files, taken if present.
    also: &'static [&'static str],
}

/// The qualities of Piper's voices; speaches knows a sample rate for each.
const QUALITIES: [&str; 4] = ["x_low", "low", "medium", "high"];

const SERVED: &str = "speaches serves Whisper in CTranslate2 format (`library_name: ctranslate2`, \
                      `automatic-speech-recognition`), Kokoro and Piper (`library_name: onnx`, `text-to-speech`, tags \
                      `speaches` and `kokoro` or `piper`) and Parakeet TDT of `istupakov`";

impl Kind {
    const ALL: [Self; 4] = [Self::Whisper, Self::Parakeet, Self::Piper, Self::Kokoro];

    /// The kind of a repository, by its name, card and paths.
    ///
    /// # Errors
    /// When speaches could not serve it, with what is missing.
    pub fn of(id: &str, card: &Card, paths: &[&str]) -> Result<Self, Failure> {
        let refuse =
            |why: String| Failure::new(Exit::Config, format!("speaches cannot serve `{id}`: {why}")).hint(SERVED);
        let passed = Self::ALL.into_iter().filter(|kind| kind.passes(id, card)).collect::<Vec<_>>();
        if passed.contains(&Self::Piper) {
            check_voice(id, card).map_err(refuse)?;
        }
        // With tags of several kinds it is listed as each of them.
        let mut missing = None;
        for kind in passed {
            match kind.missing(paths) {
                None => return Ok(kind),
                Some(file) => {
                    missing.get_or_insert_with(|| format!("its card calls it {}, but it has no `{file}`", kind.name()));
                }
            }
        }
        Err(refuse(missing.unwrap_or_else(|| unknown(card))))
    }

    /// speaches' own filter of this kind.
    fn passes(self, id: &str, card: &Card) -> bool {
        let tagged = |tag: &str| card.tags.contains(tag);
        let library = |name: &str| card.library.as_deref() == Some(name) || tagged(name);
        let task = card.pipeline.as_deref() == Some(self.task()) || tagged(self.task());
        task && match self {
            Self::Whisper => library("ctranslate2"),
            Self::Parakeet => id.to_lowercase().contains("istupakov/parakeet-tdt"),
            Self::Piper => library("onnx") && tagged("speaches") && tagged("piper"),
            Self::Kokoro => library("onnx") && tagged("speaches") && tagged("kokoro"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Whisper => "Whisper in CTranslate2 format",
            Self::Parakeet => "Parakeet",
            Self::Piper => "a voice of Piper",
            Self::Kokoro => "Kokoro",
        }
    }

    /// The task, in the hub's words.
    pub fn task(self) -> &'static str {
        match self {
            Self::Whisper | Self::Parakeet => "automatic-speech-recognition",
            Self::Piper | Self::Kokoro => "text-to-speech",
        }
    }

    /// A voice that a model of this name has, when it speaks.
    pub fn voice(self, id: &str) -> Option<String> {
        match self {
            Self::Whisper | Self::Parakeet => None,
            Self::Piper => id.rsplit('-').nth(1).map(str::to_owned),
            // Every `voices.bin` of version 1.0 has it.
            Self::Kokoro => Some("af_heart".to_owned()),
        }
    }

    /// Whether a runtime gets this file of a repository. Files in other formats stay out.
    pub fn takes(self, path: &str) -> bool {
        let files = self.files();
        files.needed.iter().chain(files.also).any(|pattern| fits(pattern, path))
    }

    fn missing(self, paths: &[&str]) -> Option<&'static str> {
        self.files().needed.iter().copied().find(|pattern| !paths.iter().any(|path| fits(pattern, path)))
    }

    fn files(self) -> Files {
        match self {
            // faster-whisper without `tokenizer.json` takes another one from the hub.
            //
            // `preprocessor_config.json` is missing in the smaller models of Systran. faster-whisper then has defaults,
            // which are theirs. speaches itself asks for it only to see whether `POST /v1/models/{id}` has to fetch
            // something, and that route asks the hub for its list of models before, so without network it fails for
            // every model.
            Self::Whisper => Files {
                needed: &["README.md", "model.bin", "config.json", "tokenizer.json", "vocabulary.*"],
                also: &["preprocessor_config.json"],
            },
            // onnx-asr 0.7 also asks for `{file}.onnx?data`, where models of more than two gigabytes have their
            // weights. Its preprocessors are in its wheel.
            Self::Parakeet => Files {
                needed: &["README.md", "config.json", "vocab.txt", "encoder-model.onnx", "decoder_joint-model.onnx"],
                also: &["encoder-model.onnx?data", "decoder_joint-model.onnx?data"],
            },
            Self::Piper => Files { needed: &["README.md", "model.onnx", "config.json"], also: &[] },
            Self::Kokoro => Files { needed: &["README.md", "model.onnx", "voices.bin"], also: &[] },
        }
    }
}

fn fits(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => path.strip_prefix(start).is_some_and(|rest| !rest.contains('/')),
        None => {
            pattern.len() == path.len() && pattern.bytes().zip(path.bytes()).all(|(one, two)| one == b'?' || one == two)
        }
    }
}

/// speaches asserts this of every voice of Piper whenever it lists its models, so a single other one is an error for all.
fn check_voice(id: &str, card: &Card) -> Result<(), String> {
    let parts = id.rsplit('/').next().unwrap_or(id).split('-').collect::<Vec<_>>();
    let [_piper, _language, _voice, quality] = parts[..] else {
        return Err("a Piper voice must be named `piper-LANGUAGE-VOICE-QUALITY`".to_owned());
    };
    if !QUALITIES.contains(&quality) {
        return Err(format!("the quality of a Piper voice is one of {}, not `{quality}`", QUALITIES.join(", ")));
    }
    match card.languages.len() {
        1 => Ok(()),
        count => Err(format!("a Piper voice must have one `language` in its card, and this one has {count}")),
    }
}

fn unknown(card: &Card) -> String {
    let said = [("library_name", &card.library), ("pipeline_tag", &card.pipeline)]
        .into_iter()
        .filter_map(|(key, value)| Some(format!("`{key}: {}`", value.as_ref()?.escape_debug())))
        .collect::<Vec<_>>();
    match said.is_empty() {
        true => "its card does not state its kind".to_owned(),
        false => format!("its card says {}, which is none of the kinds that speaches supports", said.join(" and ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(library: &str, pipeline: &str, tags: &[&str], languages: &[&str]) -> Card {
        let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        Card {
            library: Some(library.to_owned()),
            pipeline: Some(pipeline.to_owned()),
            tags: own(tags).into_iter().collect(),
            languages: own(languages),
            license: "MIT".to_owned(),
        }
    }

    const SPEECH: &str = "text-to-speech";
    const RECOGNITION: &str = "automatic-speech-recognition";

    #[test]
    fn each_kind_is_recognised_by_its_card_and_its_files() {
        let whisper = ["README.md", "model.bin", "config.json", "tokenizer.json", "vocabulary.txt"];
        let parakeet = ["README.md", "config.json", "vocab.txt", "encoder-model.onnx", "decoder_joint-model.onnx"];
        let piper = ["README.md", "model.onnx", "config.json"];
        let kokoro = ["README.md", "model.onnx", "voices.bin"];
        for (id, card, paths, expected) in [
            ("a/b", card("ctranslate2", RECOGNITION, &[], &[]), &whisper[..], Kind::Whisper),
            ("a/b", card("other", "", &["ctranslate2", RECOGNITION], &[]), &whisper, Kind::Whisper),
            ("Istupakov/Parakeet-TDT-x", card("", RECOGNITION, &[], &[]), &parakeet, Kind::Parakeet),
            ("a/piper-en_GB-alan-low", card("onnx", SPEECH, &["speaches", "piper"], &["en"]), &piper, Kind::Piper),
            ("a/b", card("onnx", SPEECH, &["speaches", "kokoro"], &[]), &kokoro, Kind::Kokoro),
        ] {
            assert_eq!(Kind::of(id, &card, paths).unwrap(), expected, "{id}");
            for needed in paths {
                let others = paths.iter().copied().filter(|path| path != needed).collect::<Vec<_>>();
                assert!(Kind::of(id, &card, &others).is_err(), "{id} without {needed}");
            }
        }
    }

    #[test]
    fn a_voice_of_piper_that_would_break_the_list_of_models_is_refused() {
        let paths = ["README.md", "model.onnx", "config.json", "voices.bin"];
        let tags = ["speaches", "piper", "kokoro"];
        for (id, languages, expected) in [
            ("a/piper-en-alan", &["en"][..], "named"),
            ("a/piper-en-alan-best", &["en"], "quality"),
            ("a/piper-en-alan-low", &[], "this one has 0"),
            ("a/piper-en-alan-low", &["en", "de"], "this one has 2"),
        ] {
            let error = Kind::of(id, &card("onnx", SPEECH, &tags, languages), &paths).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn only_what_is_needed_is_taken() {
        assert!(Kind::Whisper.takes("vocabulary.json"));
        assert!(Kind::Parakeet.takes("encoder-model.onnx.data"));
        assert!(Kind::Parakeet.takes("encoder-model.onnx_data"));
        assert_eq!(Kind::Piper.voice("a/piper-en_GB-alan-low").as_deref(), Some("alan"));
        for (kind, path) in [
            (Kind::Whisper, "model.safetensors"),
            (Kind::Whisper, "vocabulary.d/x"),
            (Kind::Kokoro, "config.json"),
            (Kind::Kokoro, "onnx/model.onnx"),
            (Kind::Parakeet, "encoder-model.int8.onnx"),
        ] {
            assert!(!kind.takes(path), "{path}");
        }
    }
}
