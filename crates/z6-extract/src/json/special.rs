//! The next byte of a JSON text that ends it, begins an escape sequence or is refused: a quote, a backslash
//! or a control character (RFC 8259 section 7). Sixteen bytes are looked at in one step.

/// Bytes of one step.
const STEP: usize = 16;

/// Where the first such byte is, if it is among the next few at or behind `at` and these are not the last ones.
#[inline(always)]
pub(super) fn near(text: &[u8], at: usize) -> Option<usize> {
    let place = first(text.get(at..)?.first_chunk()?);
    (place < STEP).then_some(at + place)
}

/// Where the first such byte at or behind `at` is; the length of `text` if there is none.
#[inline]
pub(super) fn find(text: &[u8], mut at: usize) -> usize {
    while let Some(bytes) = text.get(at..).and_then(|rest| rest.first_chunk()) {
        match first(bytes) {
            STEP.. => at += STEP,
            place => return at + place,
        }
    }
    while text.get(at).is_some_and(|byte| !is_special(*byte)) {
        at += 1;
    }
    at
}

const fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// The place of the first one; [`STEP`] or more if there is none.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn first(bytes: &[u8; STEP]) -> usize {
    use safe_arch::{
        bitor_m128i, cmp_eq_mask_i8_m128i, load_unaligned_m128i, min_u8_m128i, move_mask_i8_m128i,
        set_splat_i8_m128i,
    };
    let bytes = load_unaligned_m128i(bytes);
    let equal = |byte: u8| cmp_eq_mask_i8_m128i(bytes, set_splat_i8_m128i(byte as i8));
    let control = cmp_eq_mask_i8_m128i(min_u8_m128i(bytes, set_splat_i8_m128i(0x1f)), bytes);
    let special = bitor_m128i(bitor_m128i(equal(b'"'), equal(b'\\')), control);
    // A bit for each byte, the first one lowest.
    move_mask_i8_m128i(special).trailing_zeros() as usize
}

/// The place of the first one; [`STEP`] or more if there is none.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn first(bytes: &[u8; STEP]) -> usize {
    first_portable(bytes)
}

/// As `first`, in two steps of eight. In the word of such a step the highest bit of each byte that is found
/// is set; a byte behind it may be marked too, none before it (Warren, Hacker's Delight, section 6-1).
#[cfg(any(test, not(target_arch = "x86_64")))]
#[inline(always)]
fn first_portable(bytes: &[u8; STEP]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let first = |eight: u64| {
        let quote = (eight ^ (ONES * u64::from(b'"'))).wrapping_sub(ONES);
        let escape = (eight ^ (ONES * u64::from(b'\\'))).wrapping_sub(ONES);
        let control = eight.wrapping_sub(ONES * 0x20);
        // None of the bytes that are looked for has the highest bit, and to change one of them into
        // another leaves it as it is.
        let marks = (quote | escape | control) & !eight & HIGH;
        (marks.trailing_zeros() / 8) as usize
    };
    let number = u128::from_le_bytes(*bytes);
    match first(number as u64) {
        8 => 8 + first((number >> 64) as u64),
        place => place,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_is_found_at_each_place_and_no_other() {
        for byte in 0..=255_u8 {
            for place in 0..STEP {
                for other in [b'a', 0x80, 0xff, b' ', b'!', b'#', b'[', b']'] {
                    let mut bytes = [other; STEP];
                    bytes[place] = byte;
                    let expected = if is_special(byte) { place } else { STEP };
                    assert_eq!(first(&bytes).min(STEP), expected, "{byte} at {place}, {other}");
                    assert_eq!(first_portable(&bytes), expected, "{byte} at {place}, {other}");
                }
            }
        }
    }

    #[test]
    fn the_first_of_several_counts() {
        for one in 0..STEP {
            for other in one..STEP {
                let mut bytes = [b'#'; STEP];
                (bytes[other], bytes[one]) = (b'\\', b'"');
                assert_eq!((first(&bytes), first_portable(&bytes)), (one, one));
            }
        }
    }

    #[test]
    fn texts_of_all_lengths_are_read_to_their_end() {
        for length in 0..70 {
            let mut text = vec![b'x'; length];
            assert_eq!(find(&text, 0), length);
            text.push(b'"');
            text.extend_from_slice(b"after");
            for from in 0..=length {
                assert_eq!(find(&text, from), length, "from {from}");
            }
        }
    }
}
