//! Opens sockets: which address, from which local address, with which TLS settings. Knows no engine.

use std::sync::Arc;

use mio::{Interest, Registry, Token};
use z6_events::{Cause, TargetId};

use super::super::socket::{self, Source};
use super::super::tls::Tls;
use super::super::tls_config::TlsTarget;
use super::super::transport::{Address, Stream};
use super::super::tunnel::Tunnel;
use super::super::worker::{Common, Http2Target};

/// What a worker opens connections with.
pub(super) struct Dialer {
    common: Arc<Common>,
    /// [`Common::tls`] with the sessions of this worker.
    tls: Vec<Option<TlsTarget>>,
    /// Counts the attempts with a local address of their own, which take turns.
    next_source: usize,
    registry: Registry,
}

impl Dialer {
    pub(super) fn new(common: Arc<Common>, registry: Registry) -> Dialer {
        let tls = common.tls.iter().map(|target| target.as_ref().map(TlsTarget::of_worker));
        Dialer { tls: tls.collect(), common, next_source: 0, registry }
    }

    /// Whether it is recorded when responses had arrived.
    pub(super) fn has_stamps(&self) -> bool {
        self.common.stamping.is_on()
    }

    /// Whether any target has TLS.
    pub(super) fn has_tls(&self) -> bool {
        self.tls.iter().any(Option::is_some)
    }

    /// Whether connections to this target begin with a TLS handshake.
    pub(super) fn is_tls(&self, target: TargetId) -> bool {
        self.tls[target.index()].is_some()
    }

    /// What a proxy is asked for before that; none if no tunnel is needed.
    pub(super) fn tunnel(&self, target: TargetId) -> Option<Tunnel> {
        let request = self.common.tunnels[target.index()].as_ref()?;
        Some(Tunnel::new(Arc::clone(request)))
    }

    /// What connections to this target begin with if they speak HTTP/2.
    #[inline]
    pub(super) fn http2(&self, target: TargetId) -> Option<&Http2Target> {
        self.common.http2[target.index()].as_ref()
    }

    /// One of a target's resolved addresses.
    pub(super) fn address(&self, target: TargetId, address: u16) -> &Address {
        &self.common.addresses[target.index()][usize::from(address)]
    }

    /// Starts to connect, without waiting. The socket is registered once, for reading and writing, and
    /// stays registered for life.
    ///
    /// # Errors
    /// What the attempt is logged as: no descriptor, no port, an address that is refused at once.
    pub(super) fn connect(
        &mut self,
        target: TargetId,
        address: u16,
        token: Token,
    ) -> Result<Stream, Cause> {
        let sources = &self.common.sources[target.index()];
        let from = (!sources.is_empty()).then(|| {
            let index = self.next_source % sources.len();
            self.next_source = self.next_source.wrapping_add(1);
            Source { address: sources[index], index }
        });
        let mut stream = socket::connect(self.address(target, address), from)?;
        if self.common.stamping.is_on() {
            // A socket without stamps is read like any other.
            let _ = stream.stamp_arrivals();
        }
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = self.registry.register(&mut stream, token, interest);
        registered.map_err(|error| socket::cause(&error))?;
        Ok(stream)
    }

    /// One of the local addresses for a target.
    pub(super) fn source(&self, target: TargetId, index: u64) -> String {
        self.common.sources[target.index()][index as usize].to_string()
    }

    /// A TLS session for a connection to this target; none if the library refuses one.
    pub(super) fn open_tls(&self, target: TargetId) -> Option<Box<Tls>> {
        self.tls[target.index()].as_ref().and_then(TlsTarget::open)
    }
}
