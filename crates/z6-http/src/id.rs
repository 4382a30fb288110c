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
    #[inline]
    pub fn patch(&self, text: &mut [u8; ID_BYTES]) {
        write_hex(&mut text[..ACTOR_AT - 1], u64::from(self.population));
        write_hex(&mut text[ACTOR_AT..STEP_AT - 1], self.actor);
        write_hex(&mut text[STEP_AT..EXCHANGE_AT - 1], self.step);
        write_hex(&mut text[EXCHANGE_AT..], u64::from(self.exchange));
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

/// The low digits of `number`, as many as `out` has room for.
#[inline]
fn write_hex(out: &mut [u8], mut number: u64) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for digit in out.iter_mut().rev() {
        *digit = HEX[usize::from((number & 15) as u8)];
        number >>= 4;
    }
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
