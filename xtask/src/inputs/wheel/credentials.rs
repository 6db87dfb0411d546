//! The user's credentials for the package index, from the variables of uv, the configuration of pip and netrc. uv
//! removes credentials from the URLs that it prints, so that no lock contains them. The tool adds them again when it
//! downloads wheels.

use camino::Utf8PathBuf;
use reqwest::Url;

use super::uv::Uv;
use crate::base::host;

/// The variables in which uv takes indexes, each possibly as `NAME=URL`, with spaces between them.
const INDEXES: [&str; 5] = ["UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS"];

/// User names and passwords by server.
#[derive(Debug, Default)]
pub struct Credentials {
    known: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    host: String,
    /// Any, where a netrc file says it.
    port: Option<u16>,
    user: String,
    password: Option<String>,
}

impl Credentials {
    /// Those of the indexes that uv asks, and of the user's netrc file.
    pub fn of(uv: &Uv) -> Self {
        let mut credentials = Self::default();
        let variables = INDEXES.iter().filter_map(|name| host::variable(name));
        for indexes in variables.chain(uv.index().map(str::to_owned)) {
            indexes.split_whitespace().for_each(|index| credentials.add_index(index));
        }
        let home = host::variable("HOME").or_else(|| host::variable("USERPROFILE")).map(Utf8PathBuf::from);
        let netrc = host::variable("NETRC").map(Utf8PathBuf::from).or_else(|| Some(home?.join(".netrc")));
        if let Some(text) = netrc.and_then(|path| fs_err::read_to_string(path).ok()) {
            credentials.add_netrc(&text);
        }
        credentials
    }

    fn add_index(&mut self, index: &str) {
        // `https://…?a=b` has a `=`, too.
        let url = index.split_once('=').filter(|(name, _)| !name.contains("://")).map_or(index, |(_, url)| url);
        let Ok(url) = Url::parse(url) else { return };
        if let (Some(host), false) = (url.host_str(), url.username().is_empty() && url.password().is_none()) {
            self.known.push(Known {
                host: host.to_owned(),
                port: url.port_or_known_default(),
                user: url.username().to_owned(),
                password: url.password().map(str::to_owned),
            });
        }
    }

    /// `machine HOST login USER password PASSWORD`, in any number of lines.
    fn add_netrc(&mut self, text: &str) {
        let mut words = text.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(str::split_whitespace);
        while let Some(word) = words.next() {
            let value = if matches!(word, "machine" | "login" | "password" | "account") { words.next() } else { None };
            match (word, value, self.known.last_mut()) {
                ("machine", Some(host), _) => {
                    self.known.push(Known { host: host.to_owned(), port: None, user: String::new(), password: None });
                }
                // It is for all other servers, and those are not asked anything secret.
                ("default", ..) => break,
                ("login", Some(user), Some(known)) if known.port.is_none() => known.user = encoded(user),
                ("password", Some(password), Some(known)) if known.port.is_none() => {
                    known.password = Some(encoded(password));
                }
                _ => {}
            }
        }
    }

    /// The URL with the credentials for its server, unless it has some.
    pub fn complete(&self, url: &str) -> String {
        let Ok(mut parsed) = Url::parse(url) else { return url.to_owned() };
        let port = parsed.port_or_known_default();
        let known = parsed.host_str().and_then(|host| {
            self.known.iter().find(|known| known.host == host && known.port.is_none_or(|one| Some(one) == port))
        });
        if let (Some(known), true) = (known, parsed.username().is_empty() && parsed.password().is_none()) {
            let is_set = parsed.set_username(&known.user).and_then(|()| parsed.set_password(known.password.as_deref()));
            if is_set.is_ok() {
                return parsed.into();
            }
        }
        url.to_owned()
    }
}

/// Encodes `%` as in a URL, where `%` begins an encoded byte.
fn encoded(text: &str) -> String {
    text.replace('%', "%25")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_go_to_the_server_that_they_are_for_and_to_no_other() {
        let mut credentials = Credentials::default();
        credentials.add_index("company=https://user:se%40cret@index.example/simple/");
        credentials.add_index("https://token@other.example:8443/simple/?a=b");
        credentials.add_index("https://open.example/simple/");
        credentials
            .add_netrc("# machine no.example login a\nmachine netrc.example\n  login me password p%w\ndefault login x");
        for (url, completed) in [
            ("https://index.example/a.whl", "https://user:se%40cret@index.example/a.whl"),
            ("https://index.example:444/a.whl", "https://index.example:444/a.whl"),
            ("http://index.example/a.whl", "http://index.example/a.whl"),
            ("https://else.example/a.whl", "https://else.example/a.whl"),
            ("https://open.example/a.whl", "https://open.example/a.whl"),
            ("https://other.example:8443/a.whl", "https://token@other.example:8443/a.whl"),
            ("https://own:one@index.example/a.whl", "https://own:one@index.example/a.whl"),
            ("https://netrc.example/a.whl", "https://me:p%25w@netrc.example/a.whl"),
            ("https://no.example/a.whl", "https://no.example/a.whl"),
            ("/local/a.whl", "/local/a.whl"),
        ] {
            assert_eq!(credentials.complete(url), completed, "{url}");
        }
    }
}
