//! LEB128 numbers into a fixed scratch area and out of a slice. Knows nothing of events.

use crate::canary::is_planted;
use crate::error::DecodeError;
use crate::limits::MAX_EVENT_BYTES;

/// Maps a difference modulo 2^64 to a number that is small when the difference is near zero.
pub(crate) const fn zigzag(difference: u64) -> u64 {
    (difference << 1) ^ (((difference as i64) >> 63) as u64)
}

/// The inverse of [`zigzag`].
pub(crate) const fn unzigzag(number: u64) -> u64 {
    (number >> 1) ^ (number & 1).wrapping_neg()
}

/// Writes one event into the free bytes of a block.
pub(crate) struct Writer<'a> {
    out: &'a mut [u8; MAX_EVENT_BYTES],
    len: usize,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(out: &'a mut [u8; MAX_EVENT_BYTES]) -> Writer<'a> {
        Writer { out, len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn byte(&mut self, byte: u8) {
        debug_assert!(self.len < MAX_EVENT_BYTES, "MAX_EVENT_BYTES is too small");
        // The remainder never changes the index; it saves the bounds check.
        self.out[self.len % MAX_EVENT_BYTES] = byte;
        self.len += 1;
    }

    /// Unsigned LEB128, shortest form.
    #[inline]
    pub(crate) fn number(&mut self, mut number: u64) {
        if is_planted("block_decoder") {
            number &= (1 << 42) - 1;
        }
        while number >= 0x80 {
            self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8);
    }

    /// `to - from` modulo 2^64, zigzag.
    #[inline]
    pub(crate) fn difference(&mut self, to: u64, from: u64) {
        self.number(zigzag(to.wrapping_sub(from)));
    }
}

/// Reads the numbers of one block's payload. Offsets in errors count from the payload's start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, DecodeError> {
        match self.bytes.get(self.at) {
            Some(&byte) => {
                self.at += 1;
                Ok(byte)
            }
            None => Err(DecodeError::UnexpectedEnd { offset: self.at }),
        }
    }

    /// Unsigned LEB128. Only the shortest form is valid, so that each value has one encoding.
    #[inline]
    pub(crate) fn number(&mut self) -> Result<u64, DecodeError> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        self.long_number(first)
    }

    fn long_number(&mut self, first: u8) -> Result<u64, DecodeError> {
        let start = self.at - 1;
        let mut number = u64::from(first & 0x7F);
        for shift in (7..64).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                break;
            }
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                if byte == 0 {
                    break;
                }
                return Ok(number);
            }
        }
        Err(DecodeError::BadNumber { offset: start })
    }

    /// A number of at most `max`.
    #[inline]
    pub(crate) fn number_up_to(&mut self, max: u64) -> Result<u64, DecodeError> {
        let start = self.at;
        let number = self.number()?;
        if number > max {
            return Err(DecodeError::OutOfRange { offset: start });
        }
        Ok(number)
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.number_up_to(u64::from(u16::MAX)).map(|n| n as u16)
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.number_up_to(u64::from(u32::MAX)).map(|n| n as u32)
    }

    /// What [`Writer::difference`] wrote, added to `from` again.
    #[inline]
    pub(crate) fn difference(&mut self, from: u64) -> Result<u64, DecodeError> {
        Ok(from.wrapping_add(unzigzag(self.number()?)))
    }

    /// The next `count` bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let start = self.at;
        self.skip(count as u64)?;
        Ok(&self.bytes[start..self.at])
    }

    /// Skips `count` bytes.
    pub(crate) fn skip(&mut self, count: u64) -> Result<(), DecodeError> {
        let left = (self.bytes.len() - self.at) as u64;
        if count > left {
            return Err(DecodeError::UnexpectedEnd { offset: self.bytes.len() });
        }
        self.at += count as usize;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(number: u64) -> Vec<u8> {
        let mut out = [0; MAX_EVENT_BYTES];
        let mut writer = Writer::new(&mut out);
        writer.number(number);
        let len = writer.len();
        out[..len].to_vec()
    }

    #[test]
    fn known_encodings() {
        assert_eq!(written(0), [0]);
        assert_eq!(written(127), [0x7F]);
        assert_eq!(written(128), [0x80, 0x01]);
        assert_eq!(written(u64::MAX).len(), 10);
        assert_eq!([0, u64::MAX, 1, u64::MAX - 1].map(zigzag), [0, 1, 2, 3]);
    }

    #[test]
    fn refuses_long_forms_overflow_and_missing_bytes() {
        let bad = |bytes: &[u8]| Reader::new(bytes).number();
        assert_eq!(bad(&[0x80, 0x00]), Err(DecodeError::BadNumber { offset: 0 }));
        let mut eleven = [0xFF; 10];
        assert_eq!(bad(&eleven), Err(DecodeError::BadNumber { offset: 0 }));
        eleven[9] = 2;
        assert_eq!(bad(&eleven), Err(DecodeError::BadNumber { offset: 0 }));
        eleven[9] = 1;
        assert_eq!(bad(&eleven), Ok(u64::MAX));
        assert_eq!(bad(&[0x80]), Err(DecodeError::UnexpectedEnd { offset: 1 }));
        assert_eq!(
            Reader::new(&[0x80, 0x80, 0x04]).u16(),
            Err(DecodeError::OutOfRange { offset: 0 })
        );
    }

    proptest! {
        #[test]
        fn numbers_round_trip(number: u64, bits in 0u32..64) {
            let number = number >> bits;
            let bytes = written(number);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.number(), Ok(number));
            prop_assert!(reader.is_at_end());
            prop_assert_eq!(unzigzag(zigzag(number)), number);
        }
    }
}
