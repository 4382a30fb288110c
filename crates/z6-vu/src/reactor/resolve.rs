//! Resolves names to addresses before the run starts. Knows no connection.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::time::Duration;

use z6_events::ErrorKind;
use z6_scenario::{ConnectTo, Host, Target};

use super::transport::Address;

/// A target whose address cannot be resolved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The resolver says no.
    #[error("dns_failed: cannot resolve `{host}` (target `{target}`): {reason}")]
    Failed {
        /// Name of the target.
        target: String,
        /// The host.
        host: String,
        /// What the resolver says.
        reason: String,
    },
    /// The resolver does not answer.
    #[error(
        "dns_timeout: resolving `{host}` (target `{target}`) took longer than {timeout_ms} ms \
         (dns_timeout_ms)"
    )]
    Timeout {
        /// Name of the target.
        target: String,
        /// The host.
        host: String,
        /// The limit, milliseconds.
        timeout_ms: u64,
    },
}

impl ResolveError {
    /// The kind that stands for it in docs/ERRORS.md. No event carries it: nothing was sent.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            ResolveError::Failed { .. } => ErrorKind::DnsFailed,
            ResolveError::Timeout { .. } => ErrorKind::DnsTimeout,
        }
    }
}

/// Where connections of a target go, or those to its proxy: all addresses, in the resolver's or the scenario's order,
/// without doubles.
///
/// # Errors
/// [`ResolveError`] if there is none.
pub(super) fn resolve(target: &Target) -> Result<Vec<Address>, ResolveError> {
    let base_port = target.base_url.port;
    if let Some(proxy) = target.via() {
        let addresses = resolve_host(target, &proxy.host, proxy.port)?;
        return Ok(addresses.into_iter().map(Address::Ip).collect());
    }
    let addresses = match &target.connect_to {
        ConnectTo::Unix(path) => return Ok(vec![Address::Unix(path.as_str().into())]),
        ConnectTo::Addresses(all) => {
            all.iter().map(|address| SocketAddr::new(*address, base_port)).collect()
        }
        ConnectTo::Host { host, port } => resolve_host(target, host, *port)?,
        ConnectTo::BaseUrl => resolve_host(target, &target.base_url.host, base_port)?,
    };
    Ok(addresses.into_iter().map(Address::Ip).collect())
}

fn resolve_host(target: &Target, host: &Host, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
    resolve_by(target, host, port, |host, port| {
        (host, port).to_socket_addrs().map(Iterator::collect)
    })
}

/// As [`resolve_host`], with `lookup` for the resolver of the system.
fn resolve_by(
    target: &Target,
    host: &Host,
    port: u16,
    lookup: impl FnOnce(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + 'static,
) -> Result<Vec<SocketAddr>, ResolveError> {
    let name = match host {
        Host::V4(address) => return Ok(vec![SocketAddr::new(IpAddr::V4(*address), port)]),
        Host::V6(address) => return Ok(vec![SocketAddr::new(IpAddr::V6(*address), port)]),
        Host::Name(name) => name.clone(),
    };
    let (sender, receiver) = mpsc::channel();
    let host = name.clone();
    // The resolver of the system cannot be interrupted: its thread may outlive the wait.
    let spawned = std::thread::Builder::new().name("z6-resolve".to_owned()).spawn(move || {
        // If the wait is over, the receiver is gone.
        let _ = sender.send(lookup(&host, port));
    });
    let failed = |reason: String| ResolveError::Failed {
        target: target.name.clone(),
        host: name.clone(),
        reason,
    };
    spawned.map_err(|error| failed(error.to_string()))?;
    let timeout = Duration::from_nanos(target.dns_timeout_ns);
    match receiver.recv_timeout(timeout) {
        Ok(Ok(addresses)) => unique(addresses).ok_or_else(|| failed("no address".to_owned())),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            Err(failed("the resolver broke down".to_owned()))
        }
        Err(mpsc::RecvTimeoutError::Timeout) => Err(ResolveError::Timeout {
            target: target.name.clone(),
            host: name,
            timeout_ms: target.dns_timeout_ns / 1_000_000,
        }),
    }
}

fn unique(addresses: Vec<SocketAddr>) -> Option<Vec<SocketAddr>> {
    let mut unique: Vec<SocketAddr> = Vec::with_capacity(addresses.len());
    for address in addresses {
        if !unique.contains(&address) {
            unique.push(address);
        }
    }
    (!unique.is_empty()).then_some(unique)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(dns_timeout_ms: u64) -> Target {
        let text = format!(
            "runtime.iterations = 1\n\
             target = {{ base_url = 'http://a.example:81', dns_timeout_ms = {dns_timeout_ms} }}\n\
             requests = [{{ name = 'r', path = '/' }}]"
        );
        z6_scenario::Scenario::from_toml(&text).unwrap().targets.remove(0)
    }

    /// The addresses of a name, by a resolver of the test.
    fn lookup(
        dns_timeout_ms: u64,
        lookup: impl FnOnce(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + 'static,
    ) -> Result<Vec<SocketAddr>, ResolveError> {
        let target = target(dns_timeout_ms);
        resolve_by(&target, &target.base_url.host, 81, lookup)
    }

    #[test]
    fn addresses_keep_the_resolvers_order_without_doubles() {
        let [a, b]: [SocketAddr; 2] =
            ["10.0.0.2:81", "10.0.0.1:81"].map(|text| text.parse().unwrap());
        let found = lookup(60_000, move |host, port| {
            assert_eq!((host, port), ("a.example", 81));
            Ok(vec![a, b, a])
        });
        assert_eq!(found, Ok(vec![a, b]));
    }

    #[test]
    fn a_resolver_that_says_no_is_dns_failed() {
        for answer in [Err(io::Error::other("NXDOMAIN")), Ok(Vec::new())] {
            let error = lookup(60_000, |_, _| answer).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::DnsFailed);
            let words = "dns_failed: cannot resolve `a.example` (target `target`): ";
            assert!(error.to_string().starts_with(words), "{error}");
        }
    }

    #[test]
    fn a_resolver_that_does_not_answer_is_dns_timeout() {
        let (until_the_end, wait) = mpsc::channel::<()>();
        let error = lookup(1, move |_, _| {
            // Until this test is over.
            let _ = wait.recv();
            Ok(Vec::new())
        })
        .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DnsTimeout);
        let words = "dns_timeout: resolving `a.example` (target `target`) took longer than 1 ms";
        assert!(error.to_string().starts_with(words), "{error}");
        drop(until_the_end);
    }
}
