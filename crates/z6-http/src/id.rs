//! The request id as text: which population, actor, step and exchange a request belongs to.
//!
//! Owns the text form, both ways. Knows nothing of the header that carries it.

/// Length of a request id as text, bytes: population (2 hexadecimal digits), `-`, actor (16), `-`,
/// step (16), `-`, exchange (2).
pub const ID_BYTES: usize = 2 + 1 + 16 + 1 + 16 + 1 + 2;

const ACTOR_AT: usize = 3;
const STEP_AT: usize = ACTOR_AT + 17;
const EXCHANGE_AT: usize = STEP_AT + 17;

/// The id of a request that is sent, as numbers.
///
/// ```
/// use z6_http::IdParts;
///
/// let id = IdParts { population: 0, actor: 0xbeef, step: 7, exchange: 1 };
/// assert_eq!(&id.text(), b"00-000000000000beef-0000000000000007-01");
/// assert_eq!(IdParts::parse(&id.text()), Some(id));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdParts {
    /// Population of the actor, from 0.
    pub population: u8,
    /// Actor within the population, from 0.
    pub actor: u64,
    /// Step of the actor, from 0.
    pub step: u64,
    /// Exchange of the step: 0 for the first request, one more for each redirect followed.
    pub exchange: u8,
}

impl IdParts {
    /// The text: lower-case hexadecimal digits, with leading zeros.
    #[inline]
    #[must_use]
    pub fn text(&self) -> [u8; ID_BYTES] {
        let mut text = [b'-'; ID_BYTES];
        self.patch(&mut text);
        text
    }

    /// Writes the digits over those of another id. The dashes are the same in every id and are not
    /// written.
    #[inline(always)]
    pub fn patch(&self, text: &mut [u8; ID_BYTES]) {
        text[..ACTOR_AT - 1].copy_from_slice(&BYTES[usize::from(self.population)]);
        write_hex(&mut text[ACTOR_AT..STEP_AT - 1], self.actor);
        write_hex(&mut text[STEP_AT..EXCHANGE_AT - 1], self.step);
        text[EXCHANGE_AT..].copy_from_slice(&BYTES[usize::from(self.exchange)]);
    }

    /// Reads the text; `None` unless it has exactly the form that [`IdParts::text`] gives.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<IdParts> {
        if text.len() != ID_BYTES {
            return None;
        }
        let dashes = [ACTOR_AT - 1, STEP_AT - 1, EXCHANGE_AT - 1];
        if dashes.iter().any(|&at| text[at] != b'-') {
            return None;
        }
        Some(IdParts {
            population: u8::try_from(parse_hex(&text[..ACTOR_AT - 1])?).ok()?,
            actor: parse_hex(&text[ACTOR_AT..STEP_AT - 1])?,
            step: parse_hex(&text[STEP_AT..EXCHANGE_AT - 1])?,
            exchange: u8::try_from(parse_hex(&text[EXCHANGE_AT..])?).ok()?,
        })
    }
}

/// The 16 digits of `number`; `out` has room for them.
#[inline(always)]
fn write_hex(out: &mut [u8], number: u64) {
    let (high, low) = out.split_at_mut(8);
    let above = (number >> 32) as u32;
    // Actors and steps hardly ever have more than 32 bits.
    high.copy_from_slice(&if above == 0 { [b'0'; 8] } else { hex(above) });
    low.copy_from_slice(&hex(number as u32));
}

/// The digits of each byte.
static BYTES: [[u8; 2]; 256] = {
    let mut digits = [[0; 2]; 256];
    let mut byte = 0;
    while byte < digits.len() {
        let [.., high, low] = hex(byte as u32);
        digits[byte] = [high, low];
        byte += 1;
    }
    digits
};

/// The digits of `number`, all eight at once: each nibble goes into a byte of its own.
#[inline]
const fn hex(number: u32) -> [u8; 8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut nibbles = number as u64;
    nibbles = (nibbles | nibbles << 16) & 0x0000_ffff_0000_ffff;
    nibbles = (nibbles | nibbles << 8) & 0x00ff_00ff_00ff_00ff;
    nibbles = (nibbles | nibbles << 4) & (0x0f * ONES);
    // One in each byte whose nibble is 10 or more: adding 6 to it carries into the high half.
    let letters = (nibbles + 6 * ONES) >> 4 & ONES;
    (nibbles + b'0' as u64 * ONES + letters * (b'a' - b'0' - 10) as u64).to_be_bytes()
}

/// A number of lower-case hexadecimal digits, at most 16 of them.
fn parse_hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |number, &byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_is_fixed_width_hexadecimal_and_is_read_back(
            population in any::<u8>(),
            actor in any::<u64>(),
            step in any::<u64>(),
            exchange in any::<u8>(),
        ) {
            let id = IdParts { population, actor, step, exchange };
            let expected = format!("{population:02x}-{actor:016x}-{step:016x}-{exchange:02x}");
            prop_assert_eq!(&id.text()[..], expected.as_bytes());
            prop_assert_eq!(IdParts::parse(expected.as_bytes()), Some(id));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let good = IdParts { population: 1, actor: 0xab, step: 3, exchange: 4 }.text();
        assert_eq!(IdParts::parse(&good[1..]), None);
        assert_eq!(IdParts::parse(&[&good[..], b"0"].concat()), None);
        for (at, byte) in [(2, b'_'), (19, b'0'), (36, b' '), (0, b'g'), (10, b'A'), (38, b'-')] {
            let mut wrong = good;
            wrong[at] = byte;
            assert_eq!(IdParts::parse(&wrong), None, "byte {at}");
        }
    }
}
