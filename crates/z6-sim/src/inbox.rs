//! The receive side of a simulated socket: what can be read, and what a read says when that is all.

use std::collections::VecDeque;

use z6_events::{Cause, ErrorKind, Tick};
use z6_vu::session::End;

use crate::wire::Segment;

/// What a read says of a reset, as Linux numbers it.
pub(crate) const RESET: Cause = Cause { error: ErrorKind::ConnectionReset, detail: 104 };
/// What a socket holds to be read.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    from: usize,
    /// How many bytes were read in all.
    consumed: u64,
    /// Of each segment: how many bytes had arrived with it, and when.
    arrivals: VecDeque<(u64, Tick)>,
    pub(crate) end: bool,
    pub(crate) reset: bool,
    /// A write has reported the reset. The kernel does so once: the next read says that the stream ended.
    pub(crate) reset_reported: bool,
}

impl Inbox {
    pub(crate) fn take_in(&mut self, segment: Segment, at: Tick) {
        if let Segment::Bytes(bytes) = &segment {
            let arrived = self.consumed + (self.unread().len() + bytes.len()) as u64;
            self.arrivals.push_back((arrived, at));
        }
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

    /// Takes bytes out. Returns when the last of them had arrived.
    pub(crate) fn consume(&mut self, count: usize) -> Option<Tick> {
        self.from += count;
        self.consumed += count as u64;
        while self.arrivals.front().is_some_and(|(up_to, _)| *up_to < self.consumed) {
            self.arrivals.pop_front();
        }
        self.arrivals.front().map(|(_, at)| *at)
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
        inbox.take_in(Segment::Bytes(vec![1, 2, 3]), Tick(1));
        assert_eq!(inbox.consume(2), Some(Tick(1)));
        inbox.take_in(Segment::Bytes(vec![4]), Tick(5));
        assert_eq!(inbox.unread(), [3, 4]);
        assert_eq!(inbox.consume(1), Some(Tick(1)));
        assert_eq!(inbox.consume(1), Some(Tick(5)), "the last byte of a read decides");
        inbox.take_in(Segment::Bytes(vec![5]), Tick(7));
        assert_eq!(inbox.unread(), [5]);
    }

    #[test]
    fn a_reset_is_reported_once_by_a_write_or_by_reads() {
        let mut inbox = Inbox::default();
        assert_eq!(inbox.end(), End::WouldBlock);
        inbox.take_in(Segment::Reset, Tick(1));
        assert_eq!(inbox.end(), End::Transport(RESET));
        inbox.reset_reported = true;
        assert_eq!(inbox.end(), End::EndOfStream { is_truncated: false });
    }
}
