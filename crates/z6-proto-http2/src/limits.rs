//! The limits of reading and what we offer the peer: names, defaults and what they count.
//!
//! Knows nothing of how they are enforced; each limit has its own [`crate::ProtocolErrorKind`].

pub use z6_http::{
    FIELDS_MAX_DEFAULT, HEAD_BYTES_MAX_DEFAULT, INTERIM_MAX_DEFAULT, TRAILER_BYTES_MAX_DEFAULT,
};

/// Default of [`Limits::continuations_max`], as in nghttp2.
pub const CONTINUATIONS_MAX_DEFAULT: u32 = 8;
/// Default of [`Limits::control_frames_max`].
pub const CONTROL_FRAMES_MAX_DEFAULT: u32 = 1_000;
/// Default of [`Limits::settings_max`], as in nghttp2.
pub const SETTINGS_MAX_DEFAULT: u32 = 32;
/// Default of [`Limits::pending_acks_max`].
pub const PENDING_ACKS_MAX_DEFAULT: u32 = 1_000;
/// Default of [`Limits::tiny_data_frames_max`].
pub const TINY_DATA_FRAMES_MAX_DEFAULT: u16 = 1_000;
/// A DATA frame with less content than this is tiny, bytes.
pub const TINY_DATA_BYTES: usize = 64;
/// Fewest streams that we reset and of which late frames are still expected, however few may be open.
pub const RESETS_REMEMBERED_MIN: usize = 1_024;

/// Limits of what a peer may send. Bodies have none: they are counted, not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one head, each field counted as name, value and 32 bytes (RFC 9113 §6.5.2); interim heads each on
    /// their own. We announce it.
    pub head_bytes_max: usize,
    /// Fields in one head, `:status` included.
    pub fields_max: usize,
    /// Interim (1xx) responses before the final one.
    pub interim_max: u32,
    /// Bytes of trailers, counted as those of a head.
    pub trailer_bytes_max: usize,
    /// CONTINUATION frames of one header block. With [`FRAME_BYTES_MAX`] it bounds what is kept of a block that
    /// comes in pieces.
    pub continuations_max: u32,
    /// Frames without progress in a row: SETTINGS, PING, PRIORITY, WINDOW_UPDATE, empty DATA and frames of unknown
    /// types between two frames of responses or of our own data.
    pub control_frames_max: u32,
    /// Entries of one SETTINGS frame.
    pub settings_max: u32,
    /// Acknowledgements of SETTINGS and PING that wait to be written.
    pub pending_acks_max: u32,
    /// DATA frames of one response with less content than [`TINY_DATA_BYTES`] that do not end it.
    pub tiny_data_frames_max: u16,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            head_bytes_max: HEAD_BYTES_MAX_DEFAULT,
            fields_max: FIELDS_MAX_DEFAULT,
            interim_max: INTERIM_MAX_DEFAULT,
            trailer_bytes_max: TRAILER_BYTES_MAX_DEFAULT,
            continuations_max: CONTINUATIONS_MAX_DEFAULT,
            control_frames_max: CONTROL_FRAMES_MAX_DEFAULT,
            settings_max: SETTINGS_MAX_DEFAULT,
            pending_acks_max: PENDING_ACKS_MAX_DEFAULT,
            tiny_data_frames_max: TINY_DATA_FRAMES_MAX_DEFAULT,
        }
    }
}

/// The largest frame that we accept, bytes of payload: the smallest that can be announced (RFC 9113 §6.5.2).
pub const FRAME_BYTES_MAX: usize = 1 << 14;
/// The largest window, bytes (RFC 9113 §6.9.1).
pub const WINDOW_BYTES_MAX: u32 = (1 << 31) - 1;
/// Every window before any setting, bytes (RFC 9113 §6.9.2).
pub const WINDOW_BYTES_INITIAL: u32 = 65_535;

/// What a client offers its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Window of each stream, bytes: 65,535 to [`WINDOW_BYTES_MAX`].
    pub stream_window_bytes: u32,
    /// Window of the connection, bytes: 65,535 to [`WINDOW_BYTES_MAX`].
    pub connection_window_bytes: u32,
    /// Size of the table that the peer may compress header fields with, bytes: at most
    /// [`HEADER_TABLE_BYTES_MAX`].
    pub header_table_bytes: u32,
    /// Fields of requests are put into the peer's table.
    pub index_headers: bool,
    /// Streams that may be open at once, whatever the peer allows.
    pub streams_max: u32,
}

/// Most bytes of [`Config::header_table_bytes`].
pub const HEADER_TABLE_BYTES_MAX: u32 = 65_536;

impl Default for Config {
    fn default() -> Config {
        Config {
            stream_window_bytes: 16 << 20,
            connection_window_bytes: 1 << 30,
            header_table_bytes: 4_096,
            index_headers: true,
            streams_max: 100,
        }
    }
}

impl Config {
    /// The same with every value moved into its bounds.
    #[must_use]
    pub fn bounded(self) -> Config {
        let window = |bytes: u32| bytes.clamp(WINDOW_BYTES_INITIAL, WINDOW_BYTES_MAX);
        Config {
            stream_window_bytes: window(self.stream_window_bytes),
            connection_window_bytes: window(self.connection_window_bytes),
            header_table_bytes: self.header_table_bytes.min(HEADER_TABLE_BYTES_MAX),
            index_headers: self.index_headers,
            streams_max: self.streams_max.max(1),
        }
    }
}
