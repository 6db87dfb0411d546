//! The types of settings, and the parser of each. Every layer (flags, variables, YAML) uses this parser.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::document::Content;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IP addresses with commas between them.
    Addresses,
    /// A TCP port; 0 means any free one.
    Port,
    Text,
    /// One of these words. `words.rs` has them as an enum.
    Choice(&'static [&'static str]),
    /// One of these words, or what onnxruntime makes of it: `cuda` or `CUDAExecutionProvider`.
    Provider(&'static [&'static str]),
    Switch,
    /// Whole seconds; -1 means for ever.
    Idle,
    /// A size in MiB, at least 1.
    Mebibytes,
    /// A path; it becomes absolute.
    Path,
    /// The directory in which huggingface_hub keeps models. `HF_HUB_CACHE` names it, every other name means its parent.
    HubDirectory,
}

/// The context that a path is resolved in.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// Replaces `~`.
    pub home: Option<&'a Path>,
    pub directory: &'a Path,
}

impl Kind {
    /// Parses the text of a flag, a variable or a scalar of the file. `name` is the name of the flag, variable or key.
    ///
    /// # Errors
    /// The expected value, as the end of the message "`NAME` is `TEXT`, which is not …".
    pub fn parse(self, text: &str, name: &str, place: Place<'_>) -> Result<Value, String> {
        match self {
            Self::Addresses => {
                let mut addresses = Vec::new();
                for part in text.split(',') {
                    // Many servers accept `localhost`. The launcher looks up no other name.
                    let address = match part.trim() {
                        "localhost" => Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
                        text => text.parse::<IpAddr>().map_err(|_| self.expectation()),
                    }?;
                    if !addresses.contains(&address) {
                        addresses.push(address);
                    }
                }
                Ok(json!(addresses))
            }
            Self::Port => text.parse::<u16>().map(Value::from).map_err(|_| self.expectation()),
            Self::Text => Ok(json!(text)),
            Self::Choice(words) => {
                let word = text.to_ascii_lowercase();
                words.iter().find(|known| **known == word).map(|known| json!(known)).ok_or_else(|| self.expectation())
            }
            // Users of these variables may have onnxruntime's names as values, such as `CUDAExecutionProvider`.
            Self::Provider(words) => {
                let word = text.to_ascii_lowercase();
                let word = word.strip_suffix("executionprovider").unwrap_or(&word);
                words.iter().find(|known| **known == word).map(|known| json!(known)).ok_or_else(|| self.expectation())
            }
            Self::Switch => match text.to_ascii_lowercase().as_str() {
                "1" | "true" | "yes" | "on" => Ok(json!(true)),
                "0" | "false" | "no" | "off" => Ok(json!(false)),
                _ => Err(self.expectation()),
            },
            Self::Idle => match text.parse::<i64>() {
                Ok(seconds) if seconds >= -1 => Ok(json!(seconds)),
                _ => Err(self.expectation()),
            },
            Self::Mebibytes => match text.parse::<u32>() {
                Ok(size) if size >= 1 => Ok(json!(size)),
                _ => Err(self.expectation()),
            },
            Self::Path => Ok(json!(place.resolve(text)?)),
            Self::HubDirectory if name == "HF_HUB_CACHE" => Ok(json!(place.resolve(text)?)),
            Self::HubDirectory => Ok(json!(place.resolve(text)?.join("hub"))),
        }
    }

    /// The text of a YAML value of the right type.
    #[must_use]
    pub fn text_of(self, content: &Content) -> Option<String> {
        match (self, content) {
            (Self::Addresses, Content::List(items)) if !items.is_empty() => {
                let texts = items.iter().map(|item| Self::Text.text_of(&item.content)).collect::<Option<Vec<_>>>()?;
                Some(texts.join(","))
            }
            (Self::Port | Self::Idle | Self::Mebibytes, Content::Integer(number)) => Some(number.to_string()),
            (Self::Switch, Content::Boolean(value)) => Some(value.to_string()),
            (Self::Port | Self::Idle | Self::Mebibytes | Self::Switch, _) => None,
            (_, Content::Text(text)) if !text.is_empty() => Some(text.clone()),
            _ => None,
        }
    }

    /// The expected kind, for messages.
    #[must_use]
    pub fn expectation(self) -> String {
        match self {
            Self::Addresses => "an IP address or `localhost`".to_owned(),
            Self::Port => "a TCP port (0 to 65535)".to_owned(),
            Self::Text => "a text".to_owned(),
            Self::Choice(words) | Self::Provider(words) => format!("one of {}", words.join(", ")),
            Self::Switch => "`true` or `false`".to_owned(),
            Self::Idle => "a number of seconds (-1 for no limit)".to_owned(),
            Self::Mebibytes => "a size in MiB (1 or more)".to_owned(),
            Self::Path | Self::HubDirectory => "a path".to_owned(),
        }
    }
}

impl Place<'_> {
    /// A path that does not depend on anything any more. `~` reaches us raw when no shell saw it.
    fn resolve(self, text: &str) -> Result<PathBuf, String> {
        if text == "~" || text.starts_with("~/") {
            let home = self.home.ok_or("a path that works here: `~` stands for HOME, which is not set")?;
            return Ok(home.join(text.trim_start_matches('~').trim_start_matches('/')));
        }
        Ok(self.directory.join(text))
    }
}
