//! An attempt that asks a proxy for a tunnel: `CONNECT` goes out, the answer comes in.
//!
//! Owns how far both have come. What the answer means is the protocol's to say; knows no engine.

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;

use z6_events::{Cause, ErrorKind};
use z6_http::RequestError;
use z6_proto_http1::{TunnelReply, connect_request, read_tunnel_reply};
use z6_scenario::{Credentials, Target};

use super::socket;
use super::transport::Stream;
use crate::templates::host_text;

/// What an attempt has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// The socket takes no more or has no more.
    Waits,
    /// The tunnel is open.
    Open,
    /// There will be none.
    Failed(Cause),
}

/// One attempt.
#[derive(Debug)]
pub(super) struct Tunnel {
    request: Arc<[u8]>,
    written: usize,
    reply: Vec<u8>,
}

/// What connections to a target begin with that need a tunnel; none if they need none.
///
/// # Errors
/// A host that cannot be named.
pub(super) fn request(target: &Target) -> Result<Option<Arc<[u8]>>, RequestError> {
    let Some(proxy) = target.via().filter(|_| target.is_tls()) else { return Ok(None) };
    let host = host_text(&target.base_url.host);
    let authorization = proxy.credentials.as_ref().map(Credentials::authorization);
    connect_request(&host, target.base_url.port, authorization).map(|bytes| Some(bytes.into()))
}

impl Tunnel {
    pub(super) fn new(request: Arc<[u8]>) -> Tunnel {
        Tunnel { request, written: 0, reply: Vec::new() }
    }

    /// Writes what the socket takes, and reads what it has, through `buffer`.
    pub(super) fn go_on(&mut self, stream: &mut Stream, buffer: &mut [u8]) -> Asked {
        // A proxy that takes no more may have said why: that is read first.
        let written = self.write(stream);
        loop {
            match stream.read(buffer) {
                Ok(0) => return refused(0),
                Ok(length) => {
                    self.reply.extend_from_slice(&buffer[..length]);
                    match read_tunnel_reply(&self.reply) {
                        TunnelReply::NeedMore => {}
                        TunnelReply::Open { bytes } if bytes == self.reply.len() => {
                            return Asked::Open;
                        }
                        // A server of TLS waits for its client: what came does not come from one.
                        TunnelReply::Open { .. } | TunnelReply::NotHttp => return refused(0),
                        TunnelReply::Refused { status } => return refused(status),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return written.map_or_else(Asked::Failed, |()| Asked::Waits);
                }
                Err(error) => return Asked::Failed(socket::cause(&error)),
            }
        }
    }

    fn write(&mut self, stream: &mut Stream) -> Result<(), Cause> {
        while self.written < self.request.len() {
            match stream.write(&self.request[self.written..]) {
                Ok(written) => self.written += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(socket::cause(&error)),
            }
        }
        Ok(())
    }
}

fn refused(status: u16) -> Asked {
    // Some proxies ask for credentials as if they were the server.
    let is_auth = matches!(status, 401 | 407);
    let error = if is_auth { ErrorKind::ProxyAuth } else { ErrorKind::ProxyRefused };
    Asked::Failed(Cause { error, detail: status.into() })
}
