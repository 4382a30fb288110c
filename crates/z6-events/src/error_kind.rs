//! Why a request failed: a closed set of kinds, each with a stable name and code.
//!
//! Names appear in metrics.json (`errors.by_kind`), codes in the event log. Neither ever changes its
//! meaning; new kinds get new codes.

/// Who or what is to blame for a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorGroup {
    /// Getting or keeping a connection.
    Transport,
    /// TLS handshake and certificates.
    Tls,
    /// The peer broke HTTP.
    Protocol,
    /// A named limit of ours was reached.
    Limit,
    /// No answer within `timeout_ms`.
    Timeout,
    /// A complete response that counts as a failure: by its status, or by what was read from it.
    Status,
    /// What the request was to be made of.
    Value,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $name:literal, $group:ident;)*) => {
        /// Why a request failed. Each failed request has exactly one kind.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum ErrorKind { $($(#[$doc])* $variant = $code,)* }

        impl ErrorKind {
            /// All kinds, in the order of their codes.
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$variant,)*];

            /// The name used in reports: `connection_refused`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(ErrorKind::$variant => $name,)* }
            }

            /// The code of this kind in the event log.
            #[must_use]
            pub const fn code(self) -> u8 {
                self as u8
            }

            /// The kind with this code.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<ErrorKind> {
                match code { $($code => Some(ErrorKind::$variant),)* _ => None }
            }

            /// Who or what is to blame.
            #[must_use]
            pub const fn group(self) -> ErrorGroup {
                match self { $(ErrorKind::$variant => ErrorGroup::$group,)* }
            }
        }
    };
}

kinds! {
    /// No server listens at the address (ECONNREFUSED).
    ConnectionRefused = 1, "connection_refused", Transport;
    /// The connection attempt took longer than `connection_timeout_ms`.
    ConnectTimeout = 2, "connect_timeout", Transport;
    /// The kernel gave up on the connection (ETIMEDOUT).
    ConnectionTimedOut = 3, "connection_timed_out", Transport;
    /// No route to the host (EHOSTUNREACH).
    HostUnreachable = 4, "host_unreachable", Transport;
    /// No route to the network (ENETUNREACH, ENETDOWN).
    NetworkUnreachable = 5, "network_unreachable", Transport;
    /// No free local port (EADDRNOTAVAIL, EADDRINUSE).
    OutOfPorts = 6, "out_of_ports", Transport;
    /// No free file descriptor (EMFILE, ENFILE).
    OutOfDescriptors = 7, "out_of_descriptors", Transport;
    /// The kernel has no memory for the socket (ENOBUFS, ENOMEM).
    OutOfMemory = 8, "out_of_memory", Transport;
    /// A local rule forbids the connection (EACCES, EPERM).
    PermissionDenied = 9, "permission_denied", Transport;
    /// The peer reset the connection (ECONNRESET, EPIPE, ECONNABORTED).
    ConnectionReset = 10, "connection_reset", Transport;
    /// The peer closed the connection before the first byte of the response.
    ClosedBeforeResponse = 11, "closed_before_response", Transport;
    /// A connection that had been idle for at least [`STALE_IDLE_NS`] was closed or reset before the
    /// first byte of the response; or a used one before a byte of the request was written.
    StaleConnection = 12, "stale_connection", Transport;
    /// Another errno from the socket; the number is recorded with the event.
    SocketError = 13, "socket_error", Transport;
    /// A name did not resolve. Reserved: names are resolved before the start.
    DnsFailed = 14, "dns_failed", Transport;
    /// Resolving a name took longer than its limit. Reserved, as `dns_failed`.
    DnsTimeout = 15, "dns_timeout", Transport;
    /// There is no file at the path of a unix socket (ENOENT, ENOTDIR).
    SocketMissing = 16, "socket_missing", Transport;
    /// The queue of a unix socket's server is full (EAGAIN).
    AcceptQueueFull = 17, "accept_queue_full", Transport;
    /// The proxy does not open a tunnel: it answered with the status that is recorded with the event, or with
    /// what is not HTTP, or closed the connection; that is 0 then.
    ProxyRefused = 18, "proxy_refused", Transport;
    /// A source address that the scenario gives does not belong to this machine (EADDRNOTAVAIL of
    /// bind(2)); its index is recorded with the event.
    BadSourceAddress = 19, "bad_source_address", Transport;

    /// TLS was not ready within `tls_timeout_ms` of the start of the attempt.
    TlsTimeout = 20, "tls_timeout", Tls;
    /// The TLS handshake failed in another way than those below; the alert the peer sent, or 0, is
    /// recorded with the event (RFC 8446 section 6.2).
    TlsHandshake = 21, "tls_handshake", Tls;
    /// The server's certificate was refused for another reason than those below.
    TlsCertificate = 22, "tls_certificate", Tls;
    /// A certificate of the server's chain has expired (RFC 5280 section 4.1.2.5).
    TlsCertificateExpired = 23, "tls_certificate_expired", Tls;
    /// A certificate of the server's chain is not valid yet (RFC 5280 section 4.1.2.5).
    TlsCertificateNotYetValid = 24, "tls_certificate_not_yet_valid", Tls;
    /// The server's certificate is for other names (RFC 9525 section 6).
    TlsCertificateWrongHost = 25, "tls_certificate_wrong_host", Tls;
    /// The server's certificate is signed by its own key and is not trusted itself.
    TlsCertificateSelfSigned = 26, "tls_certificate_self_signed", Tls;
    /// The server's chain ends at an authority that is not trusted.
    TlsCertificateUntrusted = 27, "tls_certificate_untrusted", Tls;
    /// The server sent no certificate of the authority that signed its own (RFC 8446 section
    /// 4.4.2), and that authority is not trusted itself.
    TlsCertificateIncomplete = 28, "tls_certificate_incomplete", Tls;
    /// The server requires a client certificate and got none, or rejected ours.
    TlsClientCertificate = 29, "tls_client_certificate", Tls;
    /// The server speaks neither TLS 1.2 nor TLS 1.3.
    TlsVersion = 30, "tls_version", Tls;
    /// The server does not speak HTTP/1.1 over this TLS (ALPN, RFC 7301 section 3.2).
    TlsAlpn = 31, "tls_alpn", Tls;
    /// The peer closed the connection during the handshake.
    TlsClosed = 32, "tls_closed", Tls;
    /// The connection ended without close_notify, and only its end marks the end of the body
    /// (RFC 9112 section 9.8).
    TlsTruncated = 33, "tls_truncated", Tls;
    /// After the handshake: a fatal alert, whose number is recorded with the event, or a record that
    /// does not decrypt.
    TlsBroken = 34, "tls_broken", Tls;
    /// The server's certificate is not one for servers: its extended key usage is another (RFC 5280
    /// section 4.2.1.12), or it is that of an authority (section 4.2.1.9).
    TlsCertificateWrongPurpose = 35, "tls_certificate_wrong_purpose", Tls;

    /// The status line is not `HTTP/1.x SP 3DIGIT SP reason` (RFC 9112 section 4).
    BadStatusLine = 40, "bad_status_line", Protocol;
    /// Not HTTP/1 with one digit as minor version (RFC 9112 section 2.3).
    BadVersion = 41, "bad_version", Protocol;
    /// A status that is not three digits (RFC 9112 section 4).
    BadStatusCode = 42, "bad_status_code", Protocol;
    /// A header field breaks the grammar (RFC 9112 section 5).
    BadHeader = 43, "bad_header", Protocol;
    /// A bare LF where chunks have two readings then (RFC 9112 section 7.1).
    BareLineFeed = 44, "bare_line_feed", Protocol;
    /// Content-Length is not a number, too large, or given twice with different values.
    BadContentLength = 46, "bad_content_length", Protocol;
    /// Transfer-Encoding together with Content-Length (RFC 9112 section 6.3).
    ConflictingFraming = 47, "conflicting_framing", Protocol;
    /// Transfer codings that are ambiguous, or used in HTTP/1.0 (RFC 9112 section 6.1).
    BadTransferEncoding = 48, "bad_transfer_encoding", Protocol;
    /// Chunked framing is broken (RFC 9112 section 7.1).
    BadChunk = 49, "bad_chunk", Protocol;
    /// A trailer field breaks the grammar (RFC 9112 section 7.1.2).
    BadTrailer = 50, "bad_trailer", Protocol;
    /// 101 Switching Protocols, which was not requested.
    UnexpectedUpgrade = 51, "unexpected_upgrade", Protocol;
    /// The connection closed inside the response head.
    IncompleteHead = 52, "incomplete_head", Protocol;
    /// The connection closed inside the response body (RFC 9112 section 8).
    IncompleteBody = 53, "incomplete_body", Protocol;
    /// Bytes came on an open exchange before a byte of its request was written.
    ResponseBeforeRequest = 54, "response_before_request", Protocol;
    /// A redirect whose Location is not an http or https URL, has user information or no valid host and port, or is
    /// given twice.
    BadLocation = 55, "bad_location", Protocol;

    /// The response head is larger than its limit.
    HeadTooLarge = 70, "head_too_large", Limit;
    /// The response has more header fields than the limit.
    TooManyFields = 71, "too_many_fields", Limit;
    /// More interim (1xx) responses than the limit.
    TooManyInterim = 72, "too_many_interim", Limit;
    /// A chunk extension is longer than its limit.
    ChunkExtensionTooLarge = 73, "chunk_extension_too_large", Limit;
    /// The trailer section is larger than its limit.
    TrailersTooLarge = 74, "trailers_too_large", Limit;
    /// A redirect after as many as `follow_redirects` allows.
    TooManyRedirects = 75, "too_many_redirects", Limit;
    /// A redirect to an origin that is not a target of the scenario.
    RedirectRefused = 76, "redirect_refused", Limit;
    /// The condition of an `until` did not hold after as many passes as `max` allows: the request would have
    /// been one of another pass.
    LoopLimit = 77, "loop_limit", Limit;

    /// No complete response within `timeout_ms` of the send.
    RequestTimeout = 90, "request_timeout", Timeout;

    /// A status of 400..=499 if the request names no expected statuses.
    Status4xx = 100, "status_4xx", Status;
    /// A status of 500..=599 if the request names no expected statuses.
    Status5xx = 101, "status_5xx", Status;
    /// A status that is not in the request's `expect_status`.
    UnexpectedStatus = 102, "unexpected_status", Status;
    /// A check on the response failed.
    CheckFailed = 103, "check_failed", Status;
    /// The response does not hold a value that the request extracts and that has no default.
    ExtractFailed = 104, "extract_failed", Status;

    /// A value cannot stand where the request has it.
    BadValue = 105, "bad_value", Value;

    /// The first bytes of the peer are no SETTINGS frame (RFC 9113 section 3.4).
    Http2BadPreface = 110, "http2_bad_preface", Protocol;
    /// A frame breaks the grammar of its type (RFC 9113 sections 4 and 6).
    Http2BadFrame = 111, "http2_bad_frame", Protocol;
    /// A setting has a value that it must not have (RFC 9113 section 6.5.2).
    Http2BadSettings = 112, "http2_bad_settings", Protocol;
    /// A frame on a stream whose state does not allow it (RFC 9113 section 5.1).
    Http2StreamState = 113, "http2_stream_state", Protocol;
    /// More bytes than a window allows, or a window of 2^31 or more (RFC 9113 section 5.2).
    Http2FlowControl = 114, "http2_flow_control", Protocol;
    /// A header block that cannot be decoded (RFC 7541).
    Http2Compression = 115, "http2_compression", Protocol;
    /// Fields that make no response (RFC 9113 section 8).
    Http2BadHeader = 116, "http2_bad_header", Protocol;
    /// Another number of bytes than Content-Length says (RFC 9113 section 8.1.1).
    Http2BadLength = 117, "http2_bad_length", Protocol;
    /// A pushed response, which was forbidden (RFC 9113 section 6.6).
    Http2Push = 118, "http2_push", Protocol;

    /// The peer reset the stream; its error code is recorded with the event (RFC 9113 section 6.4).
    StreamReset = 120, "stream_reset", Transport;
    /// The peer refused the request without processing it, as often as `resend_refused` allows and once
    /// more (RFC 9113 section 8.7).
    StreamRefused = 121, "stream_refused", Transport;
    /// The peer gave the connection up with an error, whose code is recorded with the event (RFC 9113
    /// section 6.8).
    ConnectionGoingAway = 122, "connection_going_away", Transport;

    /// More CONTINUATION frames of one header block than the limit.
    TooManyContinuations = 131, "too_many_continuations", Limit;
    /// More frames that are no response in a row than the limit.
    Http2ControlFlood = 132, "http2_control_flood", Limit;
    /// More tiny DATA frames of one response than the limit.
    Http2EmptyDataFlood = 133, "http2_empty_data_flood", Limit;

    /// The proxy wants to know who we are before it opens a tunnel: its status, 407 or 401, is recorded with the
    /// event (RFC 9110 section 15.5.8).
    ProxyAuth = 140, "proxy_auth", Transport;
}

/// How long a connection has to be idle before a request for its end to be that of an idle connection,
/// nanoseconds: 100 ms. Servers close idle connections after some seconds. One that was in use a moment
/// before ended because of the request, or of how many it had carried.
pub const STALE_IDLE_NS: u64 = 100_000_000;

impl ErrorKind {
    /// Whether the request had no response within its timeout, so that only a lower bound of its
    /// latency is known (it is censored).
    #[must_use]
    pub const fn is_censored(self) -> bool {
        matches!(self, ErrorKind::RequestTimeout)
    }

    /// Of ambiguous framing: which bytes have two readings, and where the RFC says so. None for all others,
    /// whose names say it.
    #[must_use]
    pub const fn framing_words(self) -> Option<&'static str> {
        Some(match self {
            ErrorKind::BareLineFeed => "LF without CR between chunks (RFC 9112 section 7.1)",
            ErrorKind::BadContentLength => {
                "Content-Length is no number, or two differ (RFC 9112 section 6.3)"
            }
            ErrorKind::ConflictingFraming => {
                "both Transfer-Encoding and Content-Length (RFC 9112 section 6.3)"
            }
            ErrorKind::BadTransferEncoding => {
                "Transfer-Encoding has chunked twice, with parameters or before an unknown coding, or \
                 comes in HTTP/1.0 (RFC 9112 section 6.1)"
            }
            ErrorKind::UnexpectedUpgrade => {
                "101 without `Upgrade` and 101 in expect_status (RFC 9110 section 15.2.2)"
            }
            _ => return None,
        })
    }

    /// Of attempts that a proxy has not let through: what it did, in words. None for all others. `detail` is
    /// that of the event.
    #[must_use]
    pub fn proxy_words(self, detail: u64) -> Option<String> {
        Some(match (self, detail) {
            (ErrorKind::ProxyRefused, 0) => {
                "the proxy closed the connection, or did not answer CONNECT in HTTP".to_owned()
            }
            (ErrorKind::ProxyRefused, status) => {
                format!("the proxy answered CONNECT with status {status}")
            }
            (ErrorKind::ProxyAuth, status) => {
                format!("the proxy asks for other credentials (status {status})")
            }
            _ => return None,
        })
    }

    /// Whether only exchanges over HTTP/2 fail this way.
    #[must_use]
    pub const fn is_of_http2(self) -> bool {
        matches!(self.code(), 110..=133)
    }

    /// Whether a complete response was received, whose content is the failure.
    #[must_use]
    pub const fn has_response(self) -> bool {
        matches!(self.group(), ErrorGroup::Status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_unique_and_round_trip() {
        for (i, kind) in ErrorKind::ALL.iter().enumerate() {
            assert_eq!(ErrorKind::from_code(kind.code()), Some(*kind));
            for other in &ErrorKind::ALL[i + 1..] {
                assert_ne!(kind.name(), other.name());
                assert!(kind.code() < other.code(), "{} before {}", kind.name(), other.name());
            }
            assert!(!["other", "unknown"].contains(&kind.name()));
        }
        assert_eq!(ErrorKind::from_code(0), None);
        assert_eq!(ErrorKind::from_code(255), None);
    }
}
