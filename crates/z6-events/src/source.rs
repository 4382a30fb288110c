//! A sliding window over a byte stream: enough for one block, never more. Knows no format.

use std::io::{ErrorKind, Read};

use crate::block::BLOCK_BUFFER_BYTES;
use crate::error::LogError;

/// The window: large enough for the largest block, and for the next one's start.
const WINDOW_BYTES: usize = 2 * BLOCK_BUFFER_BYTES;

#[derive(Debug)]
pub(crate) struct Source<R> {
    read: R,
    window: Vec<u8>,
    start: usize,
    end: usize,
    /// Offset in the stream of the byte at `start`.
    offset: u64,
    at_end: bool,
    /// Whether the stream may go on behind its end: somebody writes it.
    growing: bool,
}

impl<R: Read> Source<R> {
    /// A source of which `offset` bytes have been read already.
    pub(crate) fn new(read: R, offset: u64) -> Source<R> {
        let window = vec![0; WINDOW_BYTES];
        Source { read, window, start: 0, end: 0, offset, at_end: false, growing: false }
    }

    /// The same; its end is only where it ends for now.
    pub(crate) fn growing(read: R, offset: u64) -> Source<R> {
        Source { growing: true, ..Source::new(read, offset) }
    }

    /// Whether the stream may go on behind its end.
    pub(crate) fn is_growing(&self) -> bool {
        self.growing
    }

    /// From now on the end of the stream is its end.
    pub(crate) fn stop_growing(&mut self) {
        self.growing = false;
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads until the window holds `count` bytes or the stream ends. Returns how many it holds, at most
    /// `count`, which is at most the window.
    pub(crate) fn want(&mut self, count: usize) -> Result<usize, LogError> {
        debug_assert!(count <= WINDOW_BYTES, "more than the window is made for");
        while self.end - self.start < count && !self.at_end {
            if self.window.len() - self.start < count {
                self.window.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            match self.read.read(&mut self.window[self.end..]) {
                Ok(0) if self.growing => break,
                Ok(0) => self.at_end = true,
                // A reader that claims more than it was given room for is not believed.
                Ok(read) => self.end = (self.end + read).min(self.window.len()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => {
                    let offset = self.offset + (self.end - self.start) as u64;
                    return Err(LogError::Io { offset, source });
                }
            }
        }
        Ok(count.min(self.end - self.start))
    }

    /// All bytes in the window.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.window[self.start..self.end]
    }

    /// Steps over `count` bytes of the window.
    pub(crate) fn skip(&mut self, count: usize) {
        debug_assert!(count <= self.end - self.start);
        self.start += count;
        self.offset += count as u64;
    }
}
