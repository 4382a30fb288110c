//! What a connection counts beside its exchanges ([`Counters`]).

/// Totals of one connection, both directions. Header bytes are counted by block: plain as names and values, packed
/// as compressed. What was queued for writing and is taken back before a byte of it was written does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames received, by their headers.
    pub frames_in: u64,
    /// Frames queued for writing; a header block counts as one.
    pub frames_out: u64,
    /// Names and values of responses, bytes.
    pub header_bytes_plain_in: u64,
    /// Blocks of responses, bytes.
    pub header_bytes_packed_in: u64,
    /// Names and values of requests, bytes.
    pub header_bytes_plain_out: u64,
    /// Blocks of requests, bytes.
    pub header_bytes_packed_out: u64,
    /// Open streams that the peer reset, refused ones included.
    pub resets_in: u64,
    /// Streams that we reset.
    pub resets_out: u64,
    /// PING frames received that are no acknowledgements.
    pub pings_in: u64,
    /// SETTINGS frames received that are no acknowledgements.
    pub settings_in: u64,
    /// WINDOW_UPDATE frames received.
    pub window_updates_in: u64,
    /// WINDOW_UPDATE frames queued for writing.
    pub window_updates_out: u64,
    /// How often a body could not go on because a window of the peer was used up.
    pub window_stalls: u64,
}
