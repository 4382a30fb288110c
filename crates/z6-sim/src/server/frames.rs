//! Which frames go by in one direction of a connection over HTTP/2, and where: a witness apart from both ends.

use z6_proto_http2::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind};

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Bytes that went by.
    passed: u64,
    /// Bytes that belong to no frame header, and come next.
    skipped: u64,
    /// The header that is incomplete.
    header: Vec<u8>,
    /// The frame whose payload is kept and comes next, and what came of it.
    kept: Option<(FrameHeader, Vec<u8>)>,
    /// PINGs and window updates that went by and were not looked at.
    controls: Vec<(FrameHeader, Vec<u8>)>,
}

impl Frames {
    /// Frames that begin behind so many bytes.
    pub(super) fn behind(bytes: usize) -> Frames {
        Frames { skipped: bytes as u64, ..Frames::default() }
    }

    /// Bytes go by: the frames whose headers are complete with them, each with the number of bytes before it.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> Vec<(FrameHeader, u64)> {
        let mut found = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let skips = usize::try_from(self.skipped).unwrap_or(usize::MAX).min(rest.len());
            let wanted = if skips > 0 { skips } else { FRAME_HEADER_BYTES - self.header.len() };
            let (next, after) = rest.split_at(wanted.min(rest.len()));
            rest = after;
            self.passed += next.len() as u64;
            if skips > 0 {
                self.skipped -= skips as u64;
                if let Some((_, payload)) = &mut self.kept {
                    payload.extend_from_slice(next);
                }
                if self.skipped == 0 {
                    self.controls.extend(self.kept.take());
                }
                continue;
            }
            self.header.extend_from_slice(next);
            if let Ok(whole) = <[u8; FRAME_HEADER_BYTES]>::try_from(self.header.as_slice()) {
                let header = FrameHeader::parse(&whole);
                found.push((header, self.passed - FRAME_HEADER_BYTES as u64));
                self.skipped = u64::from(header.length);
                let is_kept = matches!(header.kind, FrameKind::PING | FrameKind::WINDOW_UPDATE);
                self.kept = is_kept.then(|| (header, Vec::new()));
                self.header.clear();
            }
        }
        found
    }

    /// The PINGs and window updates that went by, with their payloads, each once.
    pub(super) fn take_controls(&mut self) -> Vec<(FrameHeader, Vec<u8>)> {
        std::mem::take(&mut self.controls)
    }

    /// Bytes go by that are no frames, nor is what follows them.
    pub(super) fn pass_garbage(&mut self, bytes: &[u8]) {
        self.passed += bytes.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use z6_proto_http2::frame::FrameKind;

    #[test]
    fn frames_are_found_in_any_split() {
        let mut bytes = b"preface".to_vec();
        for (length, stream) in [(3, 1), (0, 0), (5, 7)] {
            let header = FrameHeader { length, kind: FrameKind::DATA, flags: 1, stream };
            bytes.extend_from_slice(&header.bytes());
            bytes.extend(std::iter::repeat_n(0, length as usize));
        }
        for size in 1..bytes.len() {
            let mut frames = Frames::behind(7);
            let found = bytes.chunks(size).flat_map(|piece| frames.pass(piece));
            let found: Vec<_> = found.map(|(header, at)| (header.stream, at)).collect();
            assert_eq!(found, [(1, 7), (0, 19), (7, 28)], "in pieces of {size}");
        }
    }
}
