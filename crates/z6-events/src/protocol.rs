//! What a connection speaks, and what is counted of HTTP/2. Names of TLS versions and cipher suites.

/// The protocol of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1 = 1,
    /// HTTP/2.
    Http2 = 2,
}

/// How many requests at once a peer that speaks HTTP/2 is taken to allow until it says so.
pub const ASSUMED_STREAMS: u32 = 100;

/// The error codes of HTTP/2 by number (RFC 9113 section 7).
pub const HTTP2_CODES: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

/// The name of an error code of HTTP/2, if it has one.
#[must_use]
pub fn http2_code_name(code: u64) -> Option<&'static str> {
    usize::try_from(code).ok().and_then(|code| HTTP2_CODES.get(code).copied())
}

/// The frames of HTTP/2 by type (RFC 9113 section 6).
pub const HTTP2_FRAMES: [&str; 10] = [
    "DATA",
    "HEADERS",
    "PRIORITY",
    "RST_STREAM",
    "SETTINGS",
    "PUSH_PROMISE",
    "PING",
    "GOAWAY",
    "WINDOW_UPDATE",
    "CONTINUATION",
];

/// The name of a type of frame of HTTP/2, if it has one.
#[must_use]
pub fn http2_frame_name(kind: u64) -> Option<&'static str> {
    usize::try_from(kind).ok().and_then(|kind| HTTP2_FRAMES.get(kind).copied())
}

/// What a TLS handshake came to, by its numbers in the registries of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TlsNegotiated {
    /// The version of TLS: 0x0303 or 0x0304. Never 0.
    pub version: u16,
    /// The cipher suite.
    pub cipher: u16,
}

/// What a connection that is ready speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectedAs {
    /// The protocol.
    pub protocol: Protocol,
    /// The TLS below it, if there is any.
    pub tls: Option<TlsNegotiated>,
}

impl ConnectedAs {
    /// HTTP/1.1 without TLS.
    pub const HTTP1: ConnectedAs = ConnectedAs { protocol: Protocol::Http1, tls: None };
    /// HTTP/2 without TLS.
    pub const HTTP2: ConnectedAs = ConnectedAs { protocol: Protocol::Http2, tls: None };
}

impl TlsNegotiated {
    /// The name of the version; none for one that this version of Z6 does not speak.
    #[must_use]
    pub const fn version_name(self) -> Option<&'static str> {
        match self.version {
            0x0303 => Some("TLSv1.2"),
            0x0304 => Some("TLSv1.3"),
            _ => None,
        }
    }

    /// The name of the cipher suite in the registry of IANA; none for one that this version of Z6 does not
    /// offer.
    #[must_use]
    pub const fn cipher_name(self) -> Option<&'static str> {
        Some(match self.cipher {
            0x1301 => "TLS_AES_128_GCM_SHA256",
            0x1302 => "TLS_AES_256_GCM_SHA384",
            0x1303 => "TLS_CHACHA20_POLY1305_SHA256",
            0xC02B => "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            0xC02C => "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            0xC02F => "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            0xC030 => "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            0xCCA8 => "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
            0xCCA9 => "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            _ => return None,
        })
    }
}

/// What a worker's HTTP/2 connections have carried, recorded each second. All are totals since the worker
/// began, of connections that have ended as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Http2Sample {
    /// Frames received.
    pub frames_in: u64,
    /// Frames sent; a header block counts as one.
    pub frames_out: u64,
    /// Names and values of requests, bytes.
    pub request_header_bytes_plain: u64,
    /// Their header blocks, bytes.
    pub request_header_bytes_wire: u64,
    /// Names and values of responses, bytes.
    pub response_header_bytes_plain: u64,
    /// Their header blocks, bytes.
    pub response_header_bytes_wire: u64,
    /// Open streams that the peers reset, refused ones included.
    pub resets_in: u64,
    /// Streams that Z6 reset.
    pub resets_out: u64,
    /// PING frames received that are no acknowledgements.
    pub pings: u64,
    /// How often a request body could not go on because a window of the peer was used up.
    pub window_stalls: u64,
    /// How long request bodies waited for the windows of their peers, nanoseconds.
    pub window_stall_ns: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_tls_are_those_of_its_registries() {
        let tls = TlsNegotiated { version: 0x0304, cipher: 0x1301 };
        assert_eq!(tls.version_name(), Some("TLSv1.3"));
        assert_eq!(tls.cipher_name(), Some("TLS_AES_128_GCM_SHA256"));
        let unknown = TlsNegotiated { version: 0x0301, cipher: 0x002F };
        assert_eq!((unknown.version_name(), unknown.cipher_name()), (None, None));
    }
}
