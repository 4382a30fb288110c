//! The receive side of a simulated socket: what can be read, and what a read says when that is all.

use z6_events::{Cause, ErrorKind};
use z6_vu::session::End;

use crate::wire::Segment;

/// What a read says of a reset, as Linux numbers it.
pub(crate) const RESET: Cause = Cause { error: ErrorKind::ConnectionReset, detail: 104 };
/// What a socket holds to be read.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    from: usize,
    pub(crate) end: bool,
    pub(crate) reset: bool,
    /// A write has reported the reset. The kernel does so once: the next read says that the stream ended.
    pub(crate) reset_reported: bool,
}

impl Inbox {
    pub(crate) fn take_in(&mut self, segment: Segment) {
        match segment {
            Segment::Bytes(bytes) if self.from == self.bytes.len() => {
                (self.bytes, self.from) = (bytes, 0);
            }
            Segment::Bytes(bytes) => self.bytes.extend_from_slice(&bytes),
            Segment::End => self.end = true,
            Segment::Reset => self.reset = true,
        }
    }

    pub(crate) fn unread(&self) -> &[u8] {
        &self.bytes[self.from..]
    }

    pub(crate) fn consume(&mut self, count: usize) {
        self.from += count;
    }

    /// What a read says once all bytes are read.
    pub(crate) fn end(&self) -> End {
        if self.reset && !self.reset_reported {
            End::Transport(RESET)
        } else if self.reset || self.end {
            End::EndOfStream { is_truncated: false }
        } else {
            End::WouldBlock
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unread_bytes_stay_before_later_ones() {
        let mut inbox = Inbox::default();
        inbox.take_in(Segment::Bytes(vec![1, 2, 3]));
        inbox.consume(2);
        inbox.take_in(Segment::Bytes(vec![4]));
        assert_eq!(inbox.unread(), [3, 4]);
        inbox.consume(2);
        inbox.take_in(Segment::Bytes(vec![5]));
        assert_eq!(inbox.unread(), [5]);
    }

    #[test]
    fn a_reset_is_reported_once_by_a_write_or_by_reads() {
        let mut inbox = Inbox::default();
        assert_eq!(inbox.end(), End::WouldBlock);
        inbox.take_in(Segment::Reset);
        assert_eq!(inbox.end(), End::Transport(RESET));
        inbox.reset_reported = true;
        assert_eq!(inbox.end(), End::EndOfStream { is_truncated: false });
    }
}
