//! Runs programs, and logs each of them for `--verbose`.

use std::borrow::Cow;
use std::io;
use std::process::{Command, Output};
use std::time::Instant;

use super::quantity::format_duration;

/// Runs a command to its end. `work` runs programs that Ctrl-C may have to end.
pub fn output(command: &mut Command) -> io::Result<Output> {
    logged(command, Command::output)
}

/// Runs a command by `run`, and tells which one it is and how it ended.
pub fn logged(command: &mut Command, run: impl FnOnce(&mut Command) -> io::Result<Output>) -> io::Result<Output> {
    let shown = display(command);
    tracing::debug!("runs {shown}");
    let began = Instant::now();
    let result = run(command);
    let time = format_duration(began.elapsed());
    match &result {
        Ok(output) => tracing::info!("ran {shown}: {} in {time}", output.status),
        Err(error) => tracing::info!("cannot run {shown}: {error}"),
    }
    result
}

/// A command for people: without its environment, which may have secrets, and without the text of scripts.
pub fn display(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(command.get_args().map(|argument| argument.to_string_lossy()));
    let quoted = words.iter().map(|word| {
        let word = without_secrets(first_line(word));
        shlex::try_quote(&word).map_or_else(|_| word.to_string(), Cow::into_owned)
    });
    format!("`{}`", quoted.collect::<Vec<_>>().join(" "))
}

fn first_line(word: &str) -> Cow<'_, str> {
    match word.trim_start().split_once('\n') {
        Some((line, _)) => format!("{line} …").into(),
        None => word.into(),
    }
}

/// A URL in an argument, without passwords and signatures.
fn without_secrets(word: Cow<'_, str>) -> Cow<'_, str> {
    let Some((scheme, rest)) = word.split_once("://") else { return word };
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let (path, query) = rest.split_at(end);
    let (host, path) = path.split_at(path.find('/').unwrap_or(path.len()));
    let host = host.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}{}", if query.is_empty() { "" } else { "?…" }).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown_without_secrets_and_scripts() {
        let mut command = Command::new("python3");
        command.args(["-c", "\nimport sys\nprint(1)", "--index=https://me:secret@host/a?key=secret", "https://a@b"]);
        command.args(["a b", "https://host/simple/"]).env("TOKEN", "secret");
        assert_eq!(
            display(&command),
            "`python3 -c 'import sys …' '--index=https://host/a?…' https://b 'a b' https://host/simple/`"
        );
    }
}
