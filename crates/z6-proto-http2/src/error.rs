//! What can go wrong on a connection ([`ProtocolError`]), and the codes that both sides say it with
//! ([`ErrorCode`]).
//!
//! Owns the closed set of kinds and their names; knows nothing of how they are found.

use std::fmt;

use thiserror::Error;

/// An error code of RST_STREAM and GOAWAY (RFC 9113 §7). Codes that are not registered are kept as they are.
///
/// ```
/// use z6_proto_http2::ErrorCode;
///
/// assert_eq!(ErrorCode::REFUSED_STREAM.to_string(), "REFUSED_STREAM");
/// assert_eq!(ErrorCode(0x20).to_string(), "error code 0x20");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(pub u32);

const CODE_NAMES: [&str; 14] = [
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

impl ErrorCode {
    /// No error: a graceful end.
    pub const NO_ERROR: ErrorCode = ErrorCode(0x0);
    /// A violation without a code of its own.
    pub const PROTOCOL_ERROR: ErrorCode = ErrorCode(0x1);
    /// The endpoint has a fault of its own.
    pub const INTERNAL_ERROR: ErrorCode = ErrorCode(0x2);
    /// Flow control was violated.
    pub const FLOW_CONTROL_ERROR: ErrorCode = ErrorCode(0x3);
    /// SETTINGS were not acknowledged in time.
    pub const SETTINGS_TIMEOUT: ErrorCode = ErrorCode(0x4);
    /// A frame for a stream that is closed.
    pub const STREAM_CLOSED: ErrorCode = ErrorCode(0x5);
    /// A frame of a size that is not allowed.
    pub const FRAME_SIZE_ERROR: ErrorCode = ErrorCode(0x6);
    /// The stream was refused before any processing (RFC 9113 §8.7).
    pub const REFUSED_STREAM: ErrorCode = ErrorCode(0x7);
    /// The stream is not needed any more.
    pub const CANCEL: ErrorCode = ErrorCode(0x8);
    /// The compression state is lost.
    pub const COMPRESSION_ERROR: ErrorCode = ErrorCode(0x9);
    /// The connection of a CONNECT request failed.
    pub const CONNECT_ERROR: ErrorCode = ErrorCode(0xa);
    /// The peer may be generating excessive load.
    pub const ENHANCE_YOUR_CALM: ErrorCode = ErrorCode(0xb);
    /// The transport is not secure enough.
    pub const INADEQUATE_SECURITY: ErrorCode = ErrorCode(0xc);
    /// The request is to be sent over HTTP/1.1.
    pub const HTTP_1_1_REQUIRED: ErrorCode = ErrorCode(0xd);

    /// The registered name, if there is one.
    pub fn name(self) -> Option<&'static str> {
        CODE_NAMES.get(self.0 as usize).copied()
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "error code {:#x}", self.0),
        }
    }
}

/// Declares the kinds once: variant, name, blame, the code that we send for it, and the words.
macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident $name:literal $blame:ident $code:ident $words:literal)+) => {
        /// Why an exchange or a connection failed.
        #[derive(Clone, Copy, Debug, Error, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ProtocolErrorKind {
            $($(#[doc = $doc])+ #[error($words)] $kind,)+
        }

        impl ProtocolErrorKind {
            /// Every kind, in order of declaration.
            pub const ALL: &[ProtocolErrorKind] = &[$(Self::$kind,)+];

            /// The kind's name in logs and reports, in snake case.
            ///
            /// ```
            /// assert_eq!(z6_proto_http2::ProtocolErrorKind::FlowControl.name(), "flow_control");
            /// ```
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }

            /// Who or what caused it.
            pub const fn blame(self) -> Blame {
                match self {
                    $(Self::$kind => Blame::$blame,)+
                }
            }

            /// The code of the RST_STREAM or GOAWAY that answers it.
            pub const fn code(self) -> ErrorCode {
                match self {
                    $(Self::$kind => ErrorCode::$code,)+
                }
            }
        }
    };
}

kinds! {
    /// The first bytes are not a SETTINGS frame, and not HTTP/1.x either (RFC 9113 §3.4).
    BadPreface "bad_preface" Violation PROTOCOL_ERROR "the server does not begin with SETTINGS (RFC 9113 section 3.4)"
    /// The first bytes are those of HTTP/1.x.
    AnsweredHttp1 "answered_http1" Violation PROTOCOL_ERROR "the server answers with HTTP/1.1"
    /// A frame is longer than we allow, or has not the length of its type (RFC 9113 §4.2).
    FrameSize "frame_size" Violation FRAME_SIZE_ERROR "frame of a wrong size (RFC 9113 section 4.2)"
    /// A frame of a stream on stream 0, or the other way round (RFC 9113 §6).
    WrongStream "wrong_stream" Violation PROTOCOL_ERROR "frame on a stream that its type cannot be on (RFC 9113 section 6)"
    /// The padding is as long as the frame (RFC 9113 §6.1).
    BadPadding "bad_padding" Violation PROTOCOL_ERROR "padding as long as its frame (RFC 9113 section 6.1)"
    /// A header block is interrupted, or continued without a beginning (RFC 9113 §6.10).
    BadContinuation "bad_continuation" Violation PROTOCOL_ERROR "header block that is not continuous (RFC 9113 section 6.10)"
    /// A setting has a value that is not allowed (RFC 9113 §6.5.2).
    BadSettings "bad_settings" Violation PROTOCOL_ERROR "setting with a wrong value (RFC 9113 section 6.5.2)"
    /// SETTINGS_INITIAL_WINDOW_SIZE beyond 2^31 - 1 (RFC 9113 §6.5.2).
    BadInitialWindow "bad_initial_window" Violation FLOW_CONTROL_ERROR "initial window too large (RFC 9113 section 6.5.2)"
    /// A frame for a stream that was never opened (RFC 9113 §5.1).
    IdleStream "idle_stream" Violation PROTOCOL_ERROR "frame for a stream that was never opened (RFC 9113 section 5.1)"
    /// A frame for a stream that has ended (RFC 9113 §5.1).
    StreamClosed "stream_closed" Violation STREAM_CLOSED "frame for a stream that has ended (RFC 9113 section 5.1)"
    /// More data than a window allows, or a window beyond 2^31 - 1 (RFC 9113 §6.9).
    FlowControl "flow_control" Violation FLOW_CONTROL_ERROR "window exceeded (RFC 9113 section 6.9)"
    /// WINDOW_UPDATE with increment 0 (RFC 9113 §6.9).
    ZeroIncrement "zero_increment" Violation PROTOCOL_ERROR "WINDOW_UPDATE of 0 (RFC 9113 section 6.9)"
    /// A header block that cannot be decompressed (RFC 9113 §4.3).
    Compression "compression" Violation COMPRESSION_ERROR "header block that cannot be decompressed (RFC 9113 section 4.3)"
    /// PUSH_PROMISE, which our settings forbid (RFC 9113 §8.4).
    Push "push" Violation PROTOCOL_ERROR "PUSH_PROMISE, which is disabled (RFC 9113 section 8.4)"
    /// A GOAWAY whose last stream is higher than that of the one before (RFC 9113 §6.8).
    BadGoAway "bad_go_away" Violation PROTOCOL_ERROR "GOAWAY that takes back an earlier one (RFC 9113 section 6.8)"
    /// `:status` is missing, repeated, or not three digits (RFC 9113 §8.3.2).
    BadStatus "bad_status" Violation PROTOCOL_ERROR ":status missing, repeated or invalid (RFC 9113 section 8.3.2)"
    /// A pseudo-header field that does not belong there (RFC 9113 §8.3).
    BadPseudoHeader "bad_pseudo_header" Violation PROTOCOL_ERROR "pseudo-header field out of place (RFC 9113 section 8.3)"
    /// A field name with upper-case letters or other bytes that are not allowed (RFC 9113 §8.2.1).
    BadFieldName "bad_field_name" Violation PROTOCOL_ERROR "invalid field name (RFC 9113 section 8.2.1)"
    /// A field value with control characters or white space around it (RFC 9113 §8.2.1).
    BadFieldValue "bad_field_value" Violation PROTOCOL_ERROR "invalid field value (RFC 9113 section 8.2.1)"
    /// A field of a connection, as `connection` or `transfer-encoding` (RFC 9113 §8.2.2).
    ConnectionField "connection_field" Violation PROTOCOL_ERROR "connection-specific field (RFC 9113 section 8.2.2)"
    /// `content-length` is not digits, or is given with different values (RFC 9110 §8.6).
    BadContentLength "bad_content_length" Violation PROTOCOL_ERROR "invalid or differing content-length (RFC 9113 section 8.1.1)"
    /// The data is not as long as `content-length` says (RFC 9113 §8.1.1).
    LengthMismatch "length_mismatch" Violation PROTOCOL_ERROR "data that is not as long as content-length says (RFC 9113 section 8.1.1)"
    /// Data where the message cannot have any: after HEAD, 204 or 304 (RFC 9110 §6.4.1).
    UnexpectedBody "unexpected_body" Violation PROTOCOL_ERROR "data in a response that has no body (RFC 9110 section 6.4.1)"
    /// Frames in an order that is no message: data before the head, trailers that do not end the stream, an interim
    /// response that does (RFC 9113 §8.1).
    BadSequence "bad_sequence" Violation PROTOCOL_ERROR "frames that are no message in their order (RFC 9113 section 8.1)"
    /// `101`, which HTTP/2 does not have (RFC 9113 §8.6).
    UnexpectedUpgrade "unexpected_upgrade" Violation PROTOCOL_ERROR "101 Switching Protocols (RFC 9113 section 8.6)"
    /// The peer reset the stream; its code is the detail.
    StreamReset "stream_reset" Peer CANCEL "the server reset the stream"
    /// The peer ended the connection with an error; its code is the detail.
    GoingAway "going_away" Peer NO_ERROR "the server ended the connection with an error"
    /// The connection ended before the final response.
    ClosedBeforeResponse "closed_before_response" Closed NO_ERROR "connection closed before the response"
    /// The connection ended inside a header block.
    IncompleteHead "incomplete_head" Closed NO_ERROR "connection closed inside the response head"
    /// The connection ended before the end of the response.
    IncompleteBody "incomplete_body" Closed NO_ERROR "connection closed inside the response body"
    /// A head is larger than [`crate::Limits::head_bytes_max`].
    HeadTooLarge "head_too_large" Limit ENHANCE_YOUR_CALM "response head too large"
    /// A head has more fields than [`crate::Limits::fields_max`].
    TooManyFields "too_many_fields" Limit ENHANCE_YOUR_CALM "too many header fields"
    /// More 1xx responses than [`crate::Limits::interim_max`].
    TooManyInterim "too_many_interim" Limit ENHANCE_YOUR_CALM "too many interim responses"
    /// The trailers are larger than [`crate::Limits::trailer_bytes_max`].
    TrailersTooLarge "trailers_too_large" Limit ENHANCE_YOUR_CALM "trailers too large"
    /// A header block has more CONTINUATION frames than [`crate::Limits::continuations_max`].
    TooManyContinuations "too_many_continuations" Limit ENHANCE_YOUR_CALM "too many CONTINUATION frames"
    /// More frames without any progress than [`crate::Limits::control_frames_max`].
    ControlFlood "control_flood" Limit ENHANCE_YOUR_CALM "too many frames without a response"
    /// A SETTINGS frame has more entries than [`crate::Limits::settings_max`].
    TooManySettings "too_many_settings" Limit ENHANCE_YOUR_CALM "too many settings in one frame"
    /// More acknowledgements wait to be written than [`crate::Limits::pending_acks_max`].
    PendingAcks "pending_acks" Limit ENHANCE_YOUR_CALM "the server does not read acknowledgements"
    /// More tiny DATA frames in a response than [`crate::Limits::tiny_data_frames_max`].
    TinyDataFlood "tiny_data_flood" Limit ENHANCE_YOUR_CALM "too many tiny DATA frames"
}

/// Who or what caused a [`ProtocolErrorKind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The peer's bytes are not HTTP/2.
    Violation,
    /// The peer said, within the protocol, that it will not complete the exchange.
    Peer,
    /// The peer closed before the message was whole.
    Closed,
    /// One of our own [`crate::Limits`] was reached.
    Limit,
}

/// Why an exchange or a connection failed, and where.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{kind}{}", DetailWords(*self))]
pub struct ProtocolError {
    /// What is wrong.
    pub kind: ProtocolErrorKind,
    /// The stream concerned; 0: none in particular.
    pub stream: u32,
    /// For [`Blame::Peer`] the peer's error code; otherwise the type of the frame, as in RFC 9113 §6.
    pub detail: u32,
}

impl ProtocolError {
    /// [`ProtocolErrorKind::name`] of the kind.
    pub const fn name(&self) -> &'static str {
        self.kind.name()
    }
}

/// What follows the words of a kind in the message of an error.
struct DetailWords(ProtocolError);

impl fmt::Display for DetailWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ProtocolError { kind, stream, detail } = self.0;
        if kind.blame() == Blame::Peer {
            write!(f, " with {}", ErrorCode(detail))?;
        }
        if stream > 0 { write!(f, " (stream {stream})") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn kinds_have_names_of_their_own_in_snake_case() {
        let names: BTreeSet<_> = ProtocolErrorKind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), ProtocolErrorKind::ALL.len());
        let is_snake = |name: &&str| name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric());
        assert!(names.iter().all(is_snake));
    }

    #[test]
    fn message_has_the_code_of_the_peer_and_the_stream() {
        let kind = ProtocolErrorKind::StreamReset;
        let error = ProtocolError { kind, stream: 5, detail: ErrorCode::INTERNAL_ERROR.0 };
        assert_eq!(error.to_string(), "the server reset the stream with INTERNAL_ERROR (stream 5)");
        let kind = ProtocolErrorKind::Compression;
        let error = ProtocolError { kind, stream: 0, detail: 1 };
        let words = "header block that cannot be decompressed (RFC 9113 section 4.3)";
        assert_eq!(error.to_string(), words);
        assert_eq!((error.name(), kind.blame()), ("compression", Blame::Violation));
        assert_eq!(kind.code(), ErrorCode::COMPRESSION_ERROR);
    }
}
