//! The listening addresses of the service.

use std::net::IpAddr;

use crate::config::Config;

/// Addresses with a port, and the sockets if they are open already.
pub struct Listening {
    /// IP addresses.
    pub addresses: Vec<IpAddr>,
    /// TCP port; 0 if the service picks one.
    pub port: u16,
    /// Numbers of the open sockets, parallel to the addresses; none where they cannot be inherited.
    pub descriptors: Vec<i32>,
}

impl Listening {
    /// The addresses of the settings, without open sockets.
    #[must_use]
    pub fn as_configured(config: &Config) -> Self {
        Self { addresses: config.values.host.clone(), port: config.values.port, descriptors: Vec::new() }
    }
}
