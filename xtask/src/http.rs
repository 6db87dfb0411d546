//! HTTP clients: one for the internet, one for servers on this machine.

use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context as _, Result};
use reqwest::blocking::{Client, ClientBuilder};

fn builder() -> ClientBuilder {
    // reqwest wants to be told which implementation of cryptography to use. A second call fails, and by then
    // there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().user_agent(concat!("speaches-native/", env!("CARGO_PKG_VERSION")))
}

/// For the internet: trusts the certificates and uses the proxies of this system, and never waits for ever.
pub fn client() -> Result<&'static Client> {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    if CLIENT.get().is_none() {
        let client = builder()
            .connect_timeout(Duration::from_secs(10))
            // In a blocking client this bounds each single operation, not the whole of a download.
            .timeout(Duration::from_secs(60))
            .build()
            .context("cannot set up HTTPS")?;
        let _ = CLIENT.set(client);
    }
    CLIENT.get().context("the client was just made")
}

/// For a server on this machine, which no proxy can reach.
pub fn loopback() -> Result<Client> {
    builder().no_proxy().timeout(Duration::from_secs(120)).build().context("cannot set up HTTP")
}
