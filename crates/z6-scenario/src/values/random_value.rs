//! Values that are made up: numbers, texts, identifiers, names.

use std::io::Write as _;
use std::num::NonZeroU64;

use super::name_number;
use super::words::{FIRST_NAMES, LAST_NAMES, WORDS};
use crate::random::{Domain, Generator, Label, Weights};

/// How a value is made up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MadeBy {
    /// A whole number of [min, max], each equally likely.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest; at least `min`.
        max: i64,
    },
    /// A multiple of 10^-`digits` of [min, max], which are given as such multiples.
    Decimal {
        /// Smallest.
        min: i64,
        /// Largest; at least `min`.
        max: i64,
        /// Digits behind the point; at most 18.
        digits: u8,
    },
    /// One of these, by weight.
    Choice {
        /// The choices; at least one.
        from: Vec<String>,
        /// A weight for each.
        weights: Weights,
    },
    /// So many characters, each one of the alphabet.
    Text {
        /// Fewest characters.
        min: u32,
        /// Most characters; at least `min`.
        max: u32,
        /// What they are drawn from; at least one.
        alphabet: Vec<char>,
    },
    /// So many hexadecimal digits, in lower case.
    Hex {
        /// How many.
        digits: u32,
    },
    /// A UUID of version 4 (RFC 9562 section 5.4), in lower case.
    Uuid,
    /// First and last name.
    Name,
    /// An address under example.com (RFC 2606 section 3).
    Email,
    /// So many words, with spaces between them.
    Words {
        /// Fewest.
        min: u32,
        /// Most; at least `min`.
        max: u32,
    },
}

/// Where a value is made up: it stays the same as long as its coordinate does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The VU or arrival.
    pub actor: u64,
    /// The step or the iteration, as the value asks for; 0 for one per VU.
    pub coordinate: u64,
}

/// A named value that is made up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    domain: Domain,
    by: MadeBy,
}

impl Made {
    /// The value that the scenario calls `name`.
    #[must_use]
    pub fn new(seed: u64, name: &str, by: MadeBy) -> Made {
        let label = Label::numbered(name_number(b"random", name));
        Made { domain: Domain::new(seed, label), by }
    }

    /// As it is in the population of this name.
    #[must_use]
    pub(crate) fn of_population(self, name: &str) -> Made {
        Made { domain: self.domain.of_population(name), ..self }
    }

    /// Whether it is a text; otherwise a number.
    #[must_use]
    pub fn is_text(&self) -> bool {
        !matches!(self.by, MadeBy::Integer { .. } | MadeBy::Decimal { .. })
    }

    /// Appends the value of this moment, in UTF-8.
    pub fn write(&self, moment: Moment, out: &mut Vec<u8>) {
        let mut generator = self.domain.generator(moment.actor, moment.coordinate);
        match &self.by {
            MadeBy::Integer { min, max } => {
                push_integer(between(&mut generator, *min, *max), out);
            }
            MadeBy::Decimal { min, max, digits } => {
                push_decimal(between(&mut generator, *min, *max), *digits, out);
            }
            MadeBy::Choice { from, weights } => {
                let chosen = weights.choose(|| generator);
                out.extend_from_slice(from[chosen].as_bytes());
            }
            MadeBy::Text { min, max, alphabet } => {
                let count = count(&mut generator, *min, *max);
                push_text(&mut generator, count, alphabet, out);
            }
            MadeBy::Hex { digits } => push_hex(&mut generator, *digits, out),
            MadeBy::Uuid => push_uuid(&mut generator, out),
            MadeBy::Name => {
                let first = *one_of(&mut generator, &FIRST_NAMES);
                let last = *one_of(&mut generator, &LAST_NAMES);
                let _ = write!(out, "{first} {last}");
            }
            MadeBy::Email => push_email(&mut generator, out),
            MadeBy::Words { min, max } => {
                for i in 0..count(&mut generator, *min, *max) {
                    if i > 0 {
                        out.push(b' ');
                    }
                    out.extend_from_slice(one_of(&mut generator, &WORDS).as_bytes());
                }
            }
        }
    }
}

/// Uniform over [min, max].
fn between(generator: &mut Generator, min: i64, max: i64) -> i64 {
    min.wrapping_add_unsigned(generator.uniform(0, max.abs_diff(min)))
}

fn count(generator: &mut Generator, min: u32, max: u32) -> u64 {
    generator.uniform(u64::from(min), u64::from(max))
}

fn one_of<'a, T>(generator: &mut Generator, choices: &'a [T]) -> &'a T {
    match NonZeroU64::new(choices.len() as u64) {
        Some(bound) => &choices[generator.below(bound) as usize],
        None => unreachable!("a scenario's choices are not empty"),
    }
}

fn push_integer(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn push_text(generator: &mut Generator, count: u64, alphabet: &[char], out: &mut Vec<u8>) {
    out.reserve(usize::try_from(count).unwrap_or(0));
    for _ in 0..count {
        let drawn = *one_of(generator, alphabet);
        match u8::try_from(drawn) {
            Ok(ascii @ 0..=0x7f) => out.push(ascii),
            _ => out.extend_from_slice(drawn.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

fn push_decimal(scaled: i64, digits: u8, out: &mut Vec<u8>) {
    let unit = 10u64.pow(u32::from(digits));
    let (whole, part) = (scaled.unsigned_abs() / unit, scaled.unsigned_abs() % unit);
    let sign = if scaled < 0 { "-" } else { "" };
    let _ = match digits {
        0 => write!(out, "{sign}{whole}"),
        _ => write!(out, "{sign}{whole}.{part:0width$}", width = usize::from(digits)),
    };
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn push_hex(generator: &mut Generator, digits: u32, out: &mut Vec<u8>) {
    let mut word = 0;
    for i in 0..digits {
        if i % 16 == 0 {
            word = generator.next_u64();
        }
        out.push(HEX[(word >> 60) as usize]);
        word <<= 4;
    }
}

fn push_uuid(generator: &mut Generator, out: &mut Vec<u8>) {
    const VERSION: u64 = 0xF << 12;
    const VARIANT: u64 = 0b11 << 62;
    let high = generator.next_u64() & !VERSION | 4 << 12;
    let low = generator.next_u64() & !VARIANT | 0b10 << 62;
    let [high, low] = [high, low].map(hex);
    let mut text = [b'-'; 36];
    text[..8].copy_from_slice(&high[..8]);
    text[9..13].copy_from_slice(&high[8..12]);
    text[14..18].copy_from_slice(&high[12..]);
    text[19..23].copy_from_slice(&low[..4]);
    text[24..].copy_from_slice(&low[4..]);
    out.extend_from_slice(&text);
}

/// The sixteen hexadecimal digits of a number, in lower case, all in one step.
fn hex(number: u64) -> [u8; 16] {
    const ONES: u128 = u128::MAX / 255;
    // A digit for each byte, the first one in the highest: halves are moved apart until each has one.
    let mut digits = u128::from(number);
    digits = (digits << 32 | digits) & 0x0000_0000_ffff_ffff_0000_0000_ffff_ffff;
    digits = (digits << 16 | digits) & 0x0000_ffff_0000_ffff_0000_ffff_0000_ffff;
    digits = (digits << 8 | digits) & 0x00ff_00ff_00ff_00ff_00ff_00ff_00ff_00ff;
    digits = (digits << 4 | digits) & (ONES * 0x0f);
    let is_letter = (digits + ONES * 6) >> 4 & ONES;
    (digits + ONES * u128::from(b'0') + is_letter * u128::from(b'a' - b'0' - 10)).to_be_bytes()
}

fn push_email(generator: &mut Generator, out: &mut Vec<u8>) {
    let from = out.len();
    let first = *one_of(generator, &FIRST_NAMES);
    let last = *one_of(generator, &LAST_NAMES);
    let number = generator.uniform(1, 999_999);
    let _ = write!(out, "{first}.{last}{number}@example.com");
    out[from..].make_ascii_lowercase();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(by: MadeBy) -> impl Fn(u64) -> String {
        let made = Made::new(42, "value", by);
        move |coordinate| {
            let mut out = Vec::new();
            made.write(Moment { actor: 3, coordinate }, &mut out);
            String::from_utf8(out).unwrap()
        }
    }

    #[test]
    fn each_kind_keeps_to_its_range() {
        let integer = make(MadeBy::Integer { min: -2, max: 2 });
        let seen: std::collections::BTreeSet<String> = (0..200).map(&integer).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["-1", "-2", "0", "1", "2"]);
        let widest = make(MadeBy::Integer { min: i64::MIN, max: i64::MAX });
        assert!((0..50).all(|i| widest(i).parse::<i64>().is_ok()));
        let decimal = make(MadeBy::Decimal { min: -150, max: 5, digits: 2 });
        for i in 0..200 {
            let text = decimal(i);
            let (_, part) = text.split_once('.').unwrap();
            assert_eq!(part.len(), 2);
            assert!((-1.5..=0.05).contains(&text.parse::<f64>().unwrap()), "{text}");
        }
        let text = make(MadeBy::Text { min: 2, max: 4, alphabet: vec!['ä', 'b'] });
        let lengths: std::collections::BTreeSet<usize> =
            (0..100).map(|i| text(i).chars().count()).collect();
        assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [2, 3, 4]);
        assert!((0..100).all(|i| text(i).chars().all(|c| "äb".contains(c))));
        assert_eq!(make(MadeBy::Hex { digits: 35 })(0).len(), 35);
        let words = make(MadeBy::Words { min: 1, max: 3 });
        assert!((0..50).all(|i| (1..=3).contains(&words(i).split(' ').count())));
    }

    #[test]
    fn a_choice_goes_by_its_weights() {
        let from = ["a", "b", "c"].map(str::to_owned).to_vec();
        let choice = make(MadeBy::Choice { from, weights: Weights::new([6, 3, 0]) });
        let count = |wanted: &str| (0..9_000).filter(|i| choice(*i) == wanted).count();
        assert_eq!(count("c"), 0);
        // Three standard deviations of 9,000 draws at 2/3 are 134.
        assert!(count("a").abs_diff(6_000) < 134, "{}", count("a"));
    }

    #[test]
    fn uuids_have_version_and_variant() {
        let uuid = make(MadeBy::Uuid);
        for i in 0..50 {
            let text = uuid(i);
            let parts: Vec<usize> = text.split('-').map(str::len).collect();
            assert_eq!(parts, [8, 4, 4, 4, 12], "{text}");
            assert_eq!(text.as_bytes()[14], b'4');
            assert!(b"89ab".contains(&text.as_bytes()[19]), "{text}");
        }
    }

    #[test]
    fn emails_are_addresses() {
        let email = make(MadeBy::Email);
        for i in 0..50 {
            let text = email(i);
            let name = text.strip_suffix("@example.com").unwrap();
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.')
            );
        }
    }

    #[test]
    fn values_are_frozen() {
        let at_2 = |by| make(by)(2);
        let choices = ["A-1", "B-2", "C-3"].map(str::to_owned).to_vec();
        let made = [
            at_2(MadeBy::Integer { min: 1, max: 1_000_000 }),
            at_2(MadeBy::Decimal { min: -1_000_000, max: 1_000_000, digits: 3 }),
            at_2(MadeBy::Choice { from: choices, weights: Weights::new([6, 3, 1]) }),
            at_2(MadeBy::Text { min: 4, max: 9, alphabet: ('a'..='z').collect() }),
            at_2(MadeBy::Hex { digits: 20 }),
            at_2(MadeBy::Uuid),
            at_2(MadeBy::Name),
            at_2(MadeBy::Email),
            at_2(MadeBy::Words { min: 2, max: 4 }),
        ];
        assert_eq!(made, GOLDEN);
    }

    const GOLDEN: [&str; 9] = [
        "328510",
        "-342.982",
        "A-1",
        "bipni",
        "54192acb70bd9e9a0f5b",
        "54192acb-70bd-4e9a-8f5b-43b6b630a2f9",
        "Grace Andersen",
        "grace.andersen321198@example.com",
        "atlas delta",
    ];

    #[test]
    fn another_name_another_value_and_the_same_for_all_workers() {
        let value = |name: &str, actor| {
            let mut out = Vec::new();
            Made::new(1, name, MadeBy::Uuid).write(Moment { actor, coordinate: 0 }, &mut out);
            out
        };
        assert_ne!(value("a", 0), value("b", 0));
        assert_ne!(value("a", 0), value("a", 1));
        assert_eq!(value("a", 0), value("a", 0));
    }
}
