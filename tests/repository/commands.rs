//! Command lines in documents and workflows, compared with the help of the programs that they name.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Mutex;

use crate::support::{root, run, sample_runtime, xtask};

/// The words of a command line in a document, without redirections.
pub fn words(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word = None::<String>;
    let mut quote = None;
    let end = |word: &mut Option<String>, commands: &mut Vec<Vec<String>>| {
        if let Some(word) = word.take() {
            commands.last_mut().unwrap().push(word);
        }
    };
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, '|' | ';' | '&' | '(' | ')') => {
                end(&mut word, &mut commands);
                commands.push(Vec::new());
            }
            (None, _) if letter.is_whitespace() => end(&mut word, &mut commands),
            // `$(` begins a command of its own, also in quotes.
            (_, '$') if letters.peek() == Some(&'(') && quote != Some('\'') => {
                end(&mut word, &mut commands);
                commands.push(Vec::new());
                letters.next();
                quote = None;
            }
            _ => word.get_or_insert_default().push(letter),
        }
    }
    end(&mut word, &mut commands);
    commands.retain(|command| !command.is_empty());
    commands
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Program {
    Xtask,
    Speaches,
    Installer,
}

impl Program {
    /// The program of a command and its arguments, if it is one of this repository.
    pub fn of(command: &[String]) -> Option<(Self, &[String])> {
        // Variables and `sudo` before it, or the shell that runs it.
        let skipped = command.iter().take_while(|word| {
            ["sudo", "sh", "exec", "nohup", "time"].contains(&word.as_str())
                || word.split_once('=').is_some_and(|(name, _)| {
                    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                })
        });
        let command = &command[skipped.count()..];
        match command {
            [cargo, tool, arguments @ ..] if cargo == "cargo" && tool == "xtask" => Some((Self::Xtask, arguments)),
            [program, arguments @ ..] if program == "speaches" || program.ends_with("bin/speaches") => {
                Some((Self::Speaches, arguments))
            }
            [program, arguments @ ..] if program == "install.sh" || program.ends_with("/install.sh") => {
                Some((Self::Installer, arguments))
            }
            _ => None,
        }
    }

    fn help(self, subcommands: &[String]) -> String {
        static KNOWN: Mutex<BTreeMap<(Program, Vec<String>), String>> = Mutex::new(BTreeMap::new());
        let key = (self, subcommands.to_vec());
        if let Some(text) = KNOWN.lock().unwrap().get(&key) {
            return text.clone();
        }
        let mut command = match self {
            Self::Xtask => xtask(&[]),
            Self::Speaches => Command::new(sample_runtime().join("bin/speaches")),
            Self::Installer => {
                let mut shell = Command::new("sh");
                shell.arg(root().join("install.sh"));
                shell
            }
        };
        let text = run(command.args(subcommands).arg("--help")).expect(0).stdout;
        KNOWN.lock().unwrap().insert(key, text.clone());
        text
    }

    /// Why this program does not take these arguments, as far as its help tells: subcommands and flags.
    pub fn refuses(self, arguments: &[String]) -> Option<String> {
        let mut subcommands = Vec::new();
        let mut help = self.help(&[]);
        let mut rest = arguments;
        while let Some(commands) = section(&help, "Commands:") {
            let Some((first, more)) = rest.split_first() else { break };
            if first.starts_with('-') {
                break;
            }
            if !commands.lines().any(|line| line.split_whitespace().next() == Some(first)) {
                return Some(format!(
                    "{self:?} has no command `{}`",
                    [&subcommands[..], std::slice::from_ref(first)].concat().join(" ")
                ));
            }
            subcommands.push(first.clone());
            help = self.help(&subcommands);
            rest = more;
        }
        let known =
            |flag: &str| help.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).any(|word| word == flag);
        rest.iter()
            .take_while(|word| *word != "--")
            .filter(|word| word.starts_with('-') && word.len() > 1)
            .map(|word| word.split_once('=').map_or(word.as_str(), |(flag, _)| flag))
            .find(|flag| !known(flag))
            .map(|flag| format!("{self:?} {} has no `{flag}`", subcommands.join(" ")))
    }
}

/// The lines below a heading, up to an empty one.
fn section<'a>(help: &'a str, heading: &str) -> Option<&'a str> {
    let start = help.find(&format!("\n{heading}\n"))? + heading.len() + 2;
    let text = &help[start..];
    Some(&text[..text.find("\n\n").unwrap_or(text.len())])
}

/// Lines of a script, those that end in a backslash put together.
pub fn lines(script: &str) -> Vec<String> {
    let mut lines = Vec::<String>::new();
    let mut goes_on = false;
    for line in script.lines() {
        let (text, more) = line.strip_suffix('\\').map_or((line, false), |text| (text, true));
        if goes_on {
            lines.last_mut().unwrap().push_str(text);
        } else {
            lines.push(text.to_owned());
        }
        goes_on = more;
    }
    lines
}

#[test]
fn words_are_those_of_a_shell() {
    let line = "A=1 cargo xtask provision --out \"a b\" # why\n";
    assert_eq!(words(line), [["A=1", "cargo", "xtask", "provision", "--out", "a b"]]);
    assert_eq!(words("x=$(cargo xtask verify 'd')"), [vec!["x="], vec!["cargo", "xtask", "verify", "d"]]);
    assert_eq!(words("a && b|c; # d"), [["a"], ["b"], ["c"]]);
}

#[test]
fn unknown_names_are_refused() {
    let refuses = |line: &str| {
        let commands = words(line);
        let (program, arguments) = Program::of(&commands[0]).unwrap();
        program.refuses(arguments)
    };
    assert_eq!(refuses("cargo xtask provision --target x"), None);
    assert!(refuses("cargo xtask provide").unwrap().contains("provide"));
    assert!(refuses("cargo xtask provision --targets x").unwrap().contains("--targets"));
    assert_eq!(refuses("cargo xtask bench verify RUNTIME --rounds 1"), None);
    assert!(refuses("cargo xtask bench verify RUNTIME --turns 1").unwrap().contains("--turns"));
    assert!(refuses("cargo xtask bench dance RUNTIME").unwrap().contains("bench dance"));
    assert!(refuses("cargo xtask cache purge").unwrap().contains("cache purge"));
    assert_eq!(refuses("x/bin/speaches serve --port 0"), None);
    assert!(refuses("bin/speaches serve --prt 0").unwrap().contains("--prt"));
    assert_eq!(refuses("sh install.sh --from x"), None);
    assert!(refuses("sh install.sh --form x").unwrap().contains("--form"));
}
