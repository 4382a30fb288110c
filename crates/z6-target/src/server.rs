//! A server from its user's side: start, queries, stop.
//!
//! Owns the threads and what they share; must not know what happens on a connection.

use std::any::Any;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use mio::Waker;

use crate::accept::{self, Listener};
use crate::config::{Config, RESERVED_DESCRIPTORS};
use crate::error::TargetError;
use crate::http2::Prepared;
use crate::log::{RequestLog, RequestRecord};
use crate::reader::Settings;
use crate::shop::Shop;
use crate::stall::StallPlan;
use crate::stats::{Counters, Stats};
use crate::sys;
use crate::tls::Identity;
use crate::worker::Worker;

/// What all threads of a server share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) counters: Vec<Counters>,
    pub(crate) log: Option<RequestLog>,
    pub(crate) stalls: StallPlan,
    pub(crate) shop: Shop,
    pub(crate) http2: Prepared,
    pub(crate) identity: Option<Identity>,
    pub(crate) max_connections: usize,
    pub(crate) open: AtomicUsize,
    pub(crate) next_connection: AtomicU64,
    pub(crate) stop: AtomicBool,
}

/// A running target server. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    addresses: Vec<SocketAddr>,
    tls_addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
    threads: Vec<Thread>,
}

#[derive(Debug)]
struct Thread {
    waker: Waker,
    handle: JoinHandle<io::Result<()>>,
}

impl Server {
    /// Listens on the addresses of `config` and serves them from its own threads. When it returns,
    /// connections are accepted.
    ///
    /// # Errors
    /// Settings out of range, addresses that cannot be listened on, a certificate that cannot be made,
    /// and a system that grants no event queue or thread.
    pub fn start(config: Config) -> Result<Self, TargetError> {
        config.check()?;
        let shared = Arc::new(Shared::new(&config)?);
        // If it fails, connections are still accepted, some of them late.
        let _ = sys::reserve_descriptors(shared.max_connections + RESERVED_DESCRIPTORS);
        let mut server =
            Self { addresses: Vec::new(), tls_addresses: Vec::new(), shared, threads: Vec::new() };
        let mut sockets = Vec::with_capacity(config.addresses.len() + config.tls_addresses.len());
        for address in config.addresses {
            let (socket, bound) = accept::listen(address)?;
            sockets.push((socket, false));
            server.addresses.push(bound);
        }
        for address in config.tls_addresses {
            let (socket, bound) = accept::listen(address)?;
            sockets.push((socket, true));
            server.tls_addresses.push(bound);
        }
        for thread in 0..config.threads {
            let setup = |source| TargetError::Setup { source };
            let share = |(socket, is_tls): &(_, bool)| Listener::share(socket, *is_tls);
            let listeners: io::Result<Vec<_>> = sockets.iter().map(share).collect();
            let shared = Arc::clone(&server.shared);
            let (worker, waker) =
                Worker::new(thread, listeners.map_err(setup)?, shared).map_err(setup)?;
            let handle = spawn(thread, move || worker.run())?;
            server.threads.push(Thread { waker, handle });
        }
        Ok(server)
    }

    /// The addresses listened on, in the order of `Config::addresses`, with the ports given.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The addresses listened on with TLS, in the order of `Config::tls_addresses`.
    pub fn tls_addresses(&self) -> &[SocketAddr] {
        &self.tls_addresses
    }

    /// The certificate of the authority that signed the server's, DER; none without `tls_addresses`.
    pub fn authority(&self) -> Option<&[u8]> {
        self.shared.identity.as_ref().map(Identity::authority)
    }

    /// The same as PEM, for a client to trust.
    pub fn authority_pem(&self) -> Option<&str> {
        self.shared.identity.as_ref().map(Identity::authority_pem)
    }

    /// The connections that may be open at once: `Config::max_connections`, or fewer if the
    /// descriptor limit at the start was lower.
    pub fn max_connections(&self) -> usize {
        self.shared.max_connections
    }

    /// The counts since the start.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        for counters in &self.shared.counters {
            counters.add_to(&mut stats);
        }
        stats.log_dropped = self.shared.log.as_ref().map_or(0, RequestLog::dropped);
        stats
    }

    /// Takes the records kept since the last call, in the order in which the requests were acted on.
    /// A client that has read the first byte of an answer finds its record here. Empty where
    /// `Config::request_log` is false.
    pub fn take_log(&self) -> Vec<RequestRecord> {
        self.shared.log.as_ref().map_or_else(Vec::new, RequestLog::take)
    }

    /// Whether all threads are serving; false after `stop` and after a thread has failed.
    pub fn is_running(&self) -> bool {
        !self.threads.is_empty() && self.threads.iter().all(|thread| !thread.handle.is_finished())
    }

    /// Closes all connections, ends the threads and waits for them. Calling it again does nothing.
    ///
    /// # Errors
    /// The first thread that panicked, or whose event loop had failed.
    pub fn stop(&mut self) -> Result<(), TargetError> {
        self.shared.stop.store(true, Ordering::Release);
        for thread in &self.threads {
            // A failed wake-up means that the thread's event queue is gone, and so is the thread.
            let _ = thread.waker.wake();
        }
        let mut outcome = Ok(());
        for (number, thread) in self.threads.drain(..).enumerate() {
            outcome = outcome.and(join(number, thread.handle));
        }
        outcome
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A caller that needs the result calls `stop`.
        let _ = self.stop();
    }
}

impl Shared {
    fn new(config: &Config) -> Result<Self, TargetError> {
        let identity = match config.tls_addresses.as_slice() {
            [] => None,
            addresses => Some(
                Identity::new(addresses)
                    .map_err(|error| TargetError::Certificate { reason: error.to_string() })?,
            ),
        };
        let descriptors = sys::descriptor_limit()
            .map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let allowed = descriptors.saturating_sub(RESERVED_DESCRIPTORS).max(1);
        Ok(Self {
            settings: Settings::new(config),
            counters: (0..config.threads).map(|_| Counters::default()).collect(),
            log: config.request_log.then(|| RequestLog::new(config.max_log_records)),
            stalls: StallPlan::new(&config.stalls),
            shop: Shop::new(config.seed, sys::monotonic_ns()),
            http2: Prepared::new(),
            identity,
            max_connections: config.max_connections.min(allowed),
            open: AtomicUsize::new(0),
            next_connection: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        })
    }
}

fn spawn<F>(thread: usize, body: F) -> Result<JoinHandle<io::Result<()>>, TargetError>
where
    F: FnOnce() -> io::Result<()> + Send + 'static,
{
    thread::Builder::new()
        .name(format!("z6-target-{thread}"))
        .spawn(body)
        .map_err(|source| TargetError::Spawn { thread, source })
}

fn join(thread: usize, handle: JoinHandle<io::Result<()>>) -> Result<(), TargetError> {
    match handle.join() {
        Ok(Ok(())) => Ok(()),
        Ok(Err(source)) => Err(TargetError::Loop { thread, source }),
        Err(payload) => Err(TargetError::Panicked { thread, message: message(payload.as_ref()) }),
    }
}

/// The text a panic was raised with.
fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "(no message)".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_reported_with_its_message() {
        let handle = spawn(3, || panic!("broken {}", 7)).expect("spawned");
        let error = join(3, handle).expect_err("reported");
        assert_eq!(error.to_string(), "server thread 3 panicked: broken 7");
    }

    #[test]
    fn a_failed_loop_is_reported() {
        let handle = spawn(0, || Err(io::Error::other("no events"))).expect("spawned");
        let error = join(0, handle).expect_err("reported");
        assert_eq!(error.to_string(), "server thread 0 stopped");
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        assert_eq!(cause.as_deref(), Some("no events"));
    }

    #[test]
    fn impossible_settings_are_refused() {
        let none = Config { addresses: Vec::new(), ..Config::default() };
        assert!(matches!(Server::start(none), Err(TargetError::NoAddresses)));
        let zero = Config { threads: 0, ..Config::default() };
        assert!(matches!(
            Server::start(zero),
            Err(TargetError::OutOfRange { name: "threads", value: 0, maximum: 256 })
        ));
    }

    #[test]
    fn an_address_in_use_is_an_error_that_names_it() {
        let first = Server::start(Config::default()).expect("started");
        let taken = Config { addresses: first.addresses().to_vec(), ..Config::default() };
        let error = Server::start(taken).expect_err("in use");
        assert!(
            error.to_string().starts_with(&format!("cannot listen on {}", first.addresses()[0]))
        );
    }
}
