//! Asking a proxy for a tunnel: the request and its answer (RFC 9110 §9.3.6).
//!
//! Knows nothing of what goes through the tunnel, nor of how bytes reach the proxy.

use z6_http::{RequestError, USER_AGENT, target};

/// The longest answer to `CONNECT` that is read, bytes: 64 KiB.
pub const TUNNEL_REPLY_BYTES_MAX: usize = 64 << 10;
/// Most fields of it.
const FIELDS_MAX: usize = 128;

/// The request for a tunnel to a host and port. `authorization` is what the proxy is to know us by.
///
/// ```
/// let bytes = z6_proto_http1::connect_request("h.example", 443, None)?;
/// assert!(bytes.starts_with(b"CONNECT h.example:443 HTTP/1.1\r\nHost: h.example:443\r\n"));
/// # Ok::<(), z6_http::RequestError>(())
/// ```
///
/// # Errors
/// A host that is none.
pub fn connect_request(
    host: &str,
    port: u16,
    authorization: Option<&str>,
) -> Result<Vec<u8>, RequestError> {
    let mut authority = Vec::new();
    // Port 0 is the default of no scheme: the one in use is always named.
    target::push_authority(&mut authority, host, 0, false)?;
    authority.truncate(authority.len() - ":0".len());
    authority.extend_from_slice(format!(":{port}").as_bytes());
    let mut out = b"CONNECT ".to_vec();
    for bytes in [&authority[..], b" HTTP/1.1\r\nHost: ", &authority, b"\r\n"] {
        out.extend_from_slice(bytes);
    }
    if let Some(authorization) = authorization {
        out.extend_from_slice(format!("Proxy-Authorization: {authorization}\r\n").as_bytes());
    }
    out.extend_from_slice(format!("User-Agent: {USER_AGENT}\r\n\r\n").as_bytes());
    Ok(out)
}

/// What a proxy has answered so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunnelReply {
    /// Not all of it is here.
    NeedMore,
    /// The tunnel is open. What comes after this many bytes came through it.
    Open {
        /// Length of the answer, and of interim answers before it.
        bytes: usize,
    },
    /// There is no tunnel.
    Refused {
        /// The status, which is not 2xx.
        status: u16,
    },
    /// The answer is not HTTP/1, or longer than [`TUNNEL_REPLY_BYTES_MAX`].
    NotHttp,
}

/// Reads the answer to [`connect_request`] from all bytes received so far. The outcome is the same however
/// they are split.
#[must_use]
pub fn read_tunnel_reply(received: &[u8]) -> TunnelReply {
    let mut from = 0;
    loop {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut response = httparse::Response::new(&mut fields);
        let bytes = match response.parse(&received[from..]) {
            Ok(httparse::Status::Complete(bytes)) => bytes,
            Ok(httparse::Status::Partial) if received.len() <= TUNNEL_REPLY_BYTES_MAX => {
                return TunnelReply::NeedMore;
            }
            Ok(httparse::Status::Partial) | Err(_) => return TunnelReply::NotHttp,
        };
        from += bytes;
        match response.code {
            Some(100..200) => {}
            // A successful answer has no body, whatever its fields say.
            Some(200..300) => return TunnelReply::Open { bytes: from },
            Some(status) => return TunnelReply::Refused { status },
            None => return TunnelReply::NotHttp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_always_named() {
        for (host, port, expected) in [
            ("h", 443, "h:443"),
            ("h", 80, "h:80"),
            ("127.0.0.1", 8443, "127.0.0.1:8443"),
            ("::1", 443, "[::1]:443"),
        ] {
            let bytes = connect_request(host, port, Some("Basic YTpi")).unwrap();
            let text = String::from_utf8(bytes).unwrap();
            let start = format!(
                "CONNECT {expected} HTTP/1.1\r\nHost: {expected}\r\nProxy-Authorization: Basic YTpi\r\n"
            );
            assert!(text.starts_with(&start) && text.ends_with("\r\n\r\n"), "{text}");
        }
        assert!(connect_request("a b", 443, None).is_err());
    }

    /// RFC 9110 §9.3.6: any 2xx opens the tunnel, and the bytes after its head are the tunnel's.
    #[test]
    fn answers_mean_the_same_however_they_are_split() {
        let open = |bytes| TunnelReply::Open { bytes };
        for (reply, expected) in [
            ("HTTP/1.1 200 Connection established\r\n\r\n", open(39)),
            ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", open(38)),
            ("HTTP/1.1 204 x\r\n\r\n", open(18)),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", open(44)),
            (
                "HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic\r\n\r\n",
                TunnelReply::Refused { status: 407 },
            ),
            ("HTTP/1.1 302 Found\r\n\r\n", TunnelReply::Refused { status: 302 }),
            ("SSH-2.0-OpenSSH_9.6\r\n", TunnelReply::NotHttp),
            ("HTTP/2 200 OK\r\n\r\n", TunnelReply::NotHttp),
        ] {
            assert_eq!(read_tunnel_reply(reply.as_bytes()), expected, "{reply}");
            let settled = (0..=reply.len())
                .map(|end| read_tunnel_reply(&reply.as_bytes()[..end]))
                .find(|outcome| *outcome != TunnelReply::NeedMore);
            assert_eq!(settled, Some(expected), "{reply}");
        }
        let endless =
            [b"HTTP/1.1 200 OK\r\nA: ".to_vec(), vec![b'a'; TUNNEL_REPLY_BYTES_MAX]].concat();
        assert_eq!(read_tunnel_reply(&endless), TunnelReply::NotHttp);
        assert_eq!(read_tunnel_reply(&endless[..99]), TunnelReply::NeedMore);
    }
}
