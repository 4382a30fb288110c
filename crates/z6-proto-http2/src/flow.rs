//! Flow control (RFC 9113 §5.2, §6.9): the windows of both directions.
//!
//! Owns their arithmetic and when a window is filled up again: once half of it is used, so that small answers cost no
//! WINDOW_UPDATE. Knows nothing of frames.

use crate::limits::{WINDOW_BYTES_INITIAL, WINDOW_BYTES_MAX};

/// More than 2^31 - 1 bytes: an error of flow control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overflow;

/// What the peer may still send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReceiveWindow {
    left: u32,
}

impl ReceiveWindow {
    pub(crate) const fn new(left: u32) -> ReceiveWindow {
        ReceiveWindow { left }
    }

    /// The peer has sent `bytes`.
    ///
    /// # Errors
    /// [`Overflow`] if that was more than allowed.
    #[inline]
    pub(crate) fn take(&mut self, bytes: u32) -> Result<(), Overflow> {
        self.left = self.left.checked_sub(bytes).ok_or(Overflow)?;
        Ok(())
    }

    /// How much the window is to grow to be `size` again, if half of it is used.
    #[inline]
    pub(crate) fn refill(&mut self, size: u32) -> Option<u32> {
        if self.left > size / 2 {
            return None;
        }
        let used = size - self.left;
        self.left = size;
        Some(used)
    }

    pub(crate) fn left(self) -> u32 {
        self.left
    }
}

/// What we may still send. A change of the initial window can make it negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SendWindow {
    left: i32,
}

impl SendWindow {
    /// The window of a connection that was just opened.
    pub(crate) const INITIAL: SendWindow = SendWindow { left: WINDOW_BYTES_INITIAL as i32 };

    /// A window of at most 2^31 - 1 bytes.
    pub(crate) const fn new(bytes: u32) -> SendWindow {
        SendWindow { left: bytes as i32 }
    }

    /// Bytes that may be sent.
    #[inline]
    pub(crate) fn left(self) -> usize {
        usize::try_from(self.left).unwrap_or(0)
    }

    /// `bytes`, no more than are left, will be sent.
    #[inline]
    pub(crate) fn take(&mut self, bytes: usize) {
        self.left -= bytes as i32;
    }

    /// The window grows, or shrinks if the initial window has become smaller.
    ///
    /// # Errors
    /// [`Overflow`].
    pub(crate) fn change(&mut self, bytes: i64) -> Result<(), Overflow> {
        let left = i64::from(self.left) + bytes;
        if left > i64::from(WINDOW_BYTES_MAX) {
            return Err(Overflow);
        }
        self.left = i32::try_from(left).map_err(|_| Overflow)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_is_filled_up_once_half_is_used() {
        let mut window = ReceiveWindow::new(100);
        assert_eq!(window.take(49), Ok(()));
        assert_eq!(window.refill(100), None);
        assert_eq!(window.take(1), Ok(()));
        assert_eq!(window.refill(100), Some(50));
        assert_eq!(window.take(100), Ok(()));
        assert_eq!(window.take(1), Err(Overflow));
        assert_eq!((window.refill(100), window.left()), (Some(100), 100));
    }

    /// RFC 9113 §6.9.1, §6.9.2.
    #[test]
    fn window_may_become_negative_but_not_too_large() {
        let mut window = SendWindow::INITIAL;
        window.take(60_000);
        assert_eq!(window.change(-65_535), Ok(()));
        assert_eq!(window.left(), 0);
        assert_eq!(window.change(60_001), Ok(()));
        assert_eq!(window.left(), 1);
        assert_eq!(window.change(i64::from(WINDOW_BYTES_MAX)), Err(Overflow));
        assert_eq!(window.change(i64::from(WINDOW_BYTES_MAX) - 1), Ok(()));
        assert_eq!(window.change(1), Err(Overflow));
    }
}
