//! Settings: ours as they are sent, the peer's as they hold (RFC 9113 §6.5).
//!
//! Owns identifiers, values and their bounds. What a change means for streams and tables is the matter of the
//! connection.

use crate::error::ProtocolErrorKind;
use crate::frame::{self, FrameKind, flag, number};
use crate::limits::{FRAME_BYTES_MAX, WINDOW_BYTES_INITIAL, WINDOW_BYTES_MAX};

/// Bytes of one entry.
pub(crate) const SETTING_BYTES: usize = 6;

/// Identifiers (RFC 9113 §6.5.2).
pub(crate) mod id {
    pub(crate) const HEADER_TABLE_SIZE: u16 = 1;
    pub(crate) const ENABLE_PUSH: u16 = 2;
    pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;
    pub(crate) const MAX_FRAME_SIZE: u16 = 5;
    pub(crate) const MAX_HEADER_LIST_SIZE: u16 = 6;
}

/// Streams that a peer is taken to allow until its settings have come, as in nghttp2. To wait for them would cost a
/// round trip.
pub const STREAMS_ASSUMED: u32 = 100;

/// The peer's settings as they hold at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PeerSettings {
    pub(crate) header_table_bytes: u32,
    pub(crate) streams_max: u32,
    pub(crate) initial_window: u32,
    pub(crate) frame_bytes_max: usize,
    /// SETTINGS have come.
    pub(crate) are_known: bool,
    /// The peer is a client and may say that it accepts pushed responses.
    pub(crate) is_client: bool,
}

impl PeerSettings {
    /// What holds before any setting.
    pub(crate) const INITIAL: PeerSettings = PeerSettings {
        header_table_bytes: crate::hpack::TABLE_BYTES_INITIAL as u32,
        streams_max: STREAMS_ASSUMED,
        initial_window: WINDOW_BYTES_INITIAL,
        frame_bytes_max: FRAME_BYTES_MAX,
        are_known: false,
        is_client: false,
    };

    /// Applies the entries in order (RFC 9113 §6.5.3). Settings that are not known are ignored.
    ///
    /// # Errors
    /// The first value out of its bounds.
    pub(crate) fn apply(&mut self, payload: &[u8]) -> Result<(), ProtocolErrorKind> {
        if !self.are_known {
            self.are_known = true;
            self.streams_max = u32::MAX;
        }
        for entry in payload.chunks_exact(SETTING_BYTES) {
            let key = u16::from_be_bytes([entry[0], entry[1]]);
            self.apply_one(key, number(&entry[2..]))?;
        }
        Ok(())
    }

    fn apply_one(&mut self, key: u16, value: u32) -> Result<(), ProtocolErrorKind> {
        match key {
            id::HEADER_TABLE_SIZE => self.header_table_bytes = value,
            id::ENABLE_PUSH if value > u32::from(self.is_client) => {
                return Err(ProtocolErrorKind::BadSettings);
            }
            id::MAX_CONCURRENT_STREAMS => self.streams_max = value,
            id::INITIAL_WINDOW_SIZE if value > WINDOW_BYTES_MAX => {
                return Err(ProtocolErrorKind::BadInitialWindow);
            }
            id::INITIAL_WINDOW_SIZE => self.initial_window = value,
            id::MAX_FRAME_SIZE => {
                let bytes = value as usize;
                if !(FRAME_BYTES_MAX..1 << 24).contains(&bytes) {
                    return Err(ProtocolErrorKind::BadSettings);
                }
                self.frame_bytes_max = bytes;
            }
            _ => {}
        }
        Ok(())
    }
}

/// Appends a SETTINGS frame.
pub(crate) fn push_settings(out: &mut Vec<u8>, entries: &[(u16, u32)]) {
    frame::push_header(out, entries.len() * SETTING_BYTES, FrameKind::SETTINGS, 0, 0);
    for (key, value) in entries {
        out.extend_from_slice(&key.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
}

/// Appends an acknowledgement.
pub(crate) fn push_ack(out: &mut Vec<u8>) {
    frame::push_header(out, 0, FrameKind::SETTINGS, flag::ACK, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(entries: &[(u16, u32)]) -> Result<PeerSettings, ProtocolErrorKind> {
        let mut frame = Vec::new();
        push_settings(&mut frame, entries);
        let mut settings = PeerSettings::INITIAL;
        settings.apply(&frame[9..]).map(|()| settings)
    }

    #[test]
    fn entries_hold_in_their_order_and_unknown_ones_are_ignored() {
        let settings = apply(&[(3, 5), (0xfafa, 1), (8, 1), (3, 7), (1, 0), (5, 20_000)]).unwrap();
        assert_eq!((settings.streams_max, settings.header_table_bytes), (7, 0));
        assert_eq!(settings.frame_bytes_max, 20_000);
        assert_eq!(apply(&[]).unwrap().streams_max, u32::MAX, "no limit is said");
    }

    /// RFC 9113 §6.5.2.
    #[test]
    fn values_have_bounds() {
        for (key, value) in [(2, 1), (2, 2), (5, 16_383), (5, 1 << 24)] {
            assert_eq!(apply(&[(key, value)]), Err(ProtocolErrorKind::BadSettings));
        }
        assert_eq!(apply(&[(4, 1 << 31)]), Err(ProtocolErrorKind::BadInitialWindow));
        assert!(apply(&[(2, 0), (5, 16_384), (5, (1 << 24) - 1), (4, WINDOW_BYTES_MAX)]).is_ok());
    }
}
