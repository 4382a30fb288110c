//! The next byte of a JSON text that ends it, begins an escape sequence or is refused: a quote, a backslash
//! or a control character (RFC 8259 section 7). Sixteen bytes are looked at in one step.

/// Bytes of one step.
const STEP: usize = 16;

/// Where the first such byte is, if it is among the next few at or behind `at` and these are not the last ones.
#[inline(always)]
pub(super) fn near(text: &[u8], at: usize) -> Option<usize> {
    let found = marks(text.get(at..)?.first_chunk()?);
    (found != 0).then_some(at + found.trailing_zeros() as usize)
}

/// Where the first such byte at or behind `at` is; the length of `text` if there is none.
#[inline]
pub(super) fn find(text: &[u8], mut at: usize) -> usize {
    while let Some(bytes) = text.get(at..).and_then(|rest| rest.first_chunk()) {
        match marks(bytes) {
            0 => at += STEP,
            found => return at + found.trailing_zeros() as usize,
        }
    }
    while text.get(at).is_some_and(|byte| !is_special(*byte)) {
        at += 1;
    }
    at
}

/// Where such bytes are in the last [`BLOCK`] bytes that were looked at: what finds each of them in a part of one
/// text that is read from its beginning to its end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marked {
    from: usize,
    /// A bit for each byte behind `from`, the first one lowest.
    marks: u64,
}

const BLOCK: usize = 4 * STEP;

impl Marked {
    /// As the function [`find`].
    #[inline(always)]
    pub(super) fn find(&mut self, text: &[u8], at: usize) -> usize {
        let place = at.wrapping_sub(self.from);
        let marks = if place < BLOCK { self.marks >> place } else { 0 };
        if marks != 0 { at + marks.trailing_zeros() as usize } else { self.find_farther(text, at) }
    }

    #[inline(never)]
    fn find_farther(&mut self, text: &[u8], mut at: usize) -> usize {
        while let Some(bytes) = text.get(at..).and_then(|rest| rest.first_chunk::<BLOCK>()) {
            let steps = bytes.as_chunks().0.iter().rev();
            let found = steps.fold(0, |found, step| found << STEP | u64::from(marks(step)));
            if found != 0 {
                *self = Marked { from: at, marks: found };
                return at + found.trailing_zeros() as usize;
            }
            at += BLOCK;
        }
        find(text, at)
    }
}

const fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// A bit for each of the bytes, the first one lowest: whether it is such a byte.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn marks(bytes: &[u8; STEP]) -> u32 {
    use safe_arch::{
        bitor_m128i, cmp_eq_mask_i8_m128i, load_unaligned_m128i, min_u8_m128i, move_mask_i8_m128i,
        set_splat_i8_m128i,
    };
    let bytes = load_unaligned_m128i(bytes);
    let equal = |byte: u8| cmp_eq_mask_i8_m128i(bytes, set_splat_i8_m128i(byte as i8));
    let control = cmp_eq_mask_i8_m128i(min_u8_m128i(bytes, set_splat_i8_m128i(0x1f)), bytes);
    let special = bitor_m128i(bitor_m128i(equal(b'"'), equal(b'\\')), control);
    move_mask_i8_m128i(special) as u32
}

/// A bit for each of the bytes, the first one lowest: whether it is such a byte.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn marks(bytes: &[u8; STEP]) -> u32 {
    portable_marks(bytes)
}

/// As `marks`, in one step of a number (Warren, Hacker's Delight, section 6-1: which bytes are 0).
#[cfg(any(test, not(target_arch = "x86_64")))]
#[inline(always)]
fn portable_marks(bytes: &[u8; STEP]) -> u32 {
    const ONES: u64 = u64::MAX / 255;
    const LOW: u64 = ONES * 0x7f;
    // The highest bit of each byte that is 0.
    let zeros = |word: u64| !(((word & LOW) + LOW) | word | LOW);
    let eight_marks = |word: u64| {
        let (quote, escape) = (ONES * u64::from(b'"'), ONES * u64::from(b'\\'));
        let found = zeros(word ^ quote) | zeros(word ^ escape) | zeros(word & (ONES * 0xe0));
        // The bits of all bytes are moved next to each other, into the highest byte.
        ((found >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
    };
    let number = u128::from_le_bytes(*bytes);
    eight_marks(number as u64) | eight_marks((number >> 64) as u64) << 8
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
                    let expected = u32::from(is_special(byte)) << place;
                    assert_eq!(marks(&bytes), expected, "{byte} at {place}, {other}");
                    assert_eq!(portable_marks(&bytes), expected, "{byte} at {place}, {other}");
                }
            }
        }
    }

    #[test]
    fn several_are_found_next_to_each_other() {
        let specials = b"\"\\\0\x1f\x01\x1e";
        for pattern in 0..1_u32 << STEP {
            let mut others = [b'#', 0x80, 0xa2, 0xdc].into_iter().cycle();
            let mut chosen = specials.iter().copied().cycle();
            let bytes = std::array::from_fn(|place| {
                let from: &mut dyn Iterator<Item = u8> =
                    if pattern >> place & 1 == 1 { &mut chosen } else { &mut others };
                from.next().unwrap()
            });
            assert_eq!((marks(&bytes), portable_marks(&bytes)), (pattern, pattern));
        }
    }

    #[test]
    fn texts_of_all_lengths_are_read_to_their_end() {
        for length in 0..200 {
            let mut text = vec![b'x'; length];
            assert_eq!(find(&text, 0), length);
            assert_eq!(Marked::default().find(&text, 0), length);
            text.push(b'"');
            text.extend_from_slice(b"after");
            let mut marked = Marked::default();
            for from in 0..=length {
                assert_eq!(find(&text, from), length, "from {from}");
                assert_eq!(marked.find(&text, from), length, "from {from}");
            }
        }
    }

    #[test]
    fn what_is_marked_is_found_again_from_everywhere() {
        let text: Vec<u8> =
            (0..1000_u32).map(|i| if i * i % 7 == 1 { b'"' } else { b'x' }).collect();
        for step in [1, 2, 3, 17, 63, 64, 65, 200] {
            let mut marked = Marked::default();
            for from in (0..=text.len()).step_by(step) {
                assert_eq!(marked.find(&text, from), find(&text, from), "from {from}");
            }
        }
    }
}
