//! The command line of `serve`, made from the table of settings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::kind::Kind;
use super::setting_table::{Flag, OPTIONS};
use super::sources::Sources;

#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--config`
    pub config: Option<PathBuf>,
    /// The texts of the others, by the key of the setting.
    pub values: BTreeMap<&'static str, String>,
}

impl Flags {
    /// The same flags for another process, which may have another working directory.
    #[must_use]
    pub fn arguments(&self, sources: &Sources<'_>) -> Vec<String> {
        let absolute = |path: &Path| sources.directory.join(path).display().to_string();
        let mut arguments = Vec::new();
        if let Some(config) = &self.config {
            arguments.extend(["--config".to_owned(), absolute(config)]);
        }
        for definition in OPTIONS {
            let Some(text) = self.values.get(definition.key) else { continue };
            match definition.flag {
                Flag::None => {}
                Flag::Switch(on, off) => arguments.push(format!("--{}", if text == "true" { on } else { off })),
                Flag::Value(name, _) => {
                    let is_path = matches!(definition.kind, Kind::Path | Kind::HubDirectory);
                    // `~` means the same in every directory.
                    let text = if is_path && !text.starts_with('~') { absolute(text.as_ref()) } else { text.clone() };
                    arguments.extend([format!("--{name}"), text]);
                }
            }
        }
        arguments
    }
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help("YAML file with settings [default: speaches_native.yml of the runtime]");
        OPTIONS.iter().fold(command.arg(config), |command, definition| {
            let help = format!("{} [default: {}]", capitalized(definition.help), definition.default_text);
            match definition.flag {
                Flag::None => command,
                Flag::Value(name, value) => {
                    let argument = Arg::new(definition.key).long(name).value_name(value).help(help);
                    let argument = match definition.kind {
                        // N.B. a negative number of seconds looks like a flag.
                        Kind::Idle => argument.allow_hyphen_values(true),
                        Kind::Choice(words) | Kind::Provider(words) => {
                            argument.value_parser(PossibleValuesParser::new(words)).ignore_case(true)
                        }
                        Kind::Addresses => argument.action(ArgAction::Append),
                        _ => argument,
                    };
                    // A script may have a flag already, and the user another one behind it.
                    let is_list = definition.kind == Kind::Addresses;
                    command.arg(if is_list { argument } else { argument.overrides_with(definition.key) })
                }
                Flag::Switch(name, opposite) => {
                    let on = Arg::new(definition.key).long(name).action(ArgAction::SetTrue).overrides_with(opposite);
                    let off =
                        Arg::new(opposite).long(opposite).action(ArgAction::SetTrue).overrides_with(definition.key);
                    command.arg(on.help(help)).arg(off.help(format!("Not --{name}")))
                }
            }
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self { config: matches.get_one::<PathBuf>("config").cloned(), ..Self::default() };
        for definition in OPTIONS {
            let value = match definition.flag {
                Flag::None => None,
                Flag::Value(..) => matches
                    .get_many::<String>(definition.key)
                    .map(|values| values.map(String::as_str).collect::<Vec<_>>().join(",")),
                Flag::Switch(..) if matches.get_flag(definition.key) => Some("true".to_owned()),
                Flag::Switch(_, opposite) if matches.get_flag(opposite) => Some("false".to_owned()),
                Flag::Switch(..) => None,
            };
            if let Some(value) = value {
                flags.values.insert(definition.key, value);
            }
        }
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| format!("{}{}", first.to_uppercase(), characters.as_str()))
}
