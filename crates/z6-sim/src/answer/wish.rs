//! What a check or an extraction wants of one value of a response, and a value that does it.

use z6_extract::sample::{Sampler, above, below};
use z6_extract::{Kind, Value, compare_numbers};
use z6_scenario::expression::Comparison;
use z6_scenario::random::Generator;

/// Characters of a value that must not be guessed.
const SECRET_DIGITS: usize = 32;
/// Numbers of the values that nothing is wanted of but that they are there.
const NUMBERS: (u64, u64) = (1, 999_999_999);

/// Places of a text that another text is tried at.
const PLACES_MAX: usize = 64;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    /// Its bytes; of a text without quotes and escape sequences.
    pub(crate) bytes: Vec<u8>,
    /// It is a text; otherwise what is written in JSON.
    pub(crate) is_text: bool,
}

impl Known {
    pub(super) fn text(bytes: impl Into<Vec<u8>>) -> Known {
        Known { bytes: bytes.into(), is_text: true }
    }

    pub(super) fn literal(bytes: impl Into<Vec<u8>>) -> Known {
        Known { bytes: bytes.into(), is_text: false }
    }

    pub(super) fn value(&self) -> Value<'_> {
        if self.is_text { Value::text(&self.bytes) } else { Value::of_json(&self.bytes) }
    }
}

/// What a value looks like that only has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Number,
    /// 32 hexadecimal digits.
    Secret,
    /// A path, which a later request asks for.
    Path,
}

/// What is wanted of a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wish {
    Is(Known),
    IsNot(Known),
    OneOf(Vec<Known>),
    Order(Comparison, Vec<u8>),
    Contains(Vec<u8>),
    ContainsNot(Vec<u8>),
    /// By the number of the pattern.
    Matches(usize),
    MatchesNot(usize),
    /// As a text or not.
    Found(usize),
    There(Style),
    Missing,
}

impl Wish {
    /// Whether a value that is not there does it.
    pub(super) const fn holds_without(&self) -> bool {
        matches!(self, Wish::IsNot(_) | Wish::ContainsNot(_) | Wish::MatchesNot(_) | Wish::Missing)
    }

    fn holds(&self, known: &Known, samplers: &mut [Sampler]) -> bool {
        let value = known.value();
        let is_text = value.kind == Kind::Text;
        let is = |other: &Known| value.equals(other.value()).unwrap_or(false);
        let mut finds = |index: &usize| {
            samplers.get_mut(*index).is_some_and(|sampler| sampler.finds(&known.bytes))
        };
        match self {
            Wish::Is(other) => is(other),
            Wish::IsNot(other) => !is(other),
            Wish::OneOf(others) => others.iter().any(is),
            Wish::Order(comparison, number) => {
                let order = compare_numbers(&known.bytes, number);
                let order = order.filter(|_| value.kind == Kind::Number);
                order.is_some_and(|order| match comparison {
                    Comparison::Less => order.is_lt(),
                    Comparison::AtMost => order.is_le(),
                    Comparison::Greater => order.is_gt(),
                    Comparison::AtLeast => order.is_ge(),
                    Comparison::Equal | Comparison::NotEqual => false,
                })
            }
            Wish::Contains(part) => is_text && contains(&known.bytes, part),
            Wish::ContainsNot(part) => !is_text || !contains(&known.bytes, part),
            Wish::Matches(index) => is_text && finds(index),
            Wish::MatchesNot(index) => !is_text || !finds(index),
            Wish::Found(index) => finds(index),
            Wish::There(_) => value.kind != Kind::Null,
            Wish::Missing => false,
        }
    }
}

/// Whether a text is in another.
pub(super) fn contains(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}

/// A number below another, which is not 0.
pub(super) fn draw(draws: &mut Generator, count: u64) -> u64 {
    draws.uniform(0, count.saturating_sub(1))
}

/// A value of which all this is wanted. It is a text where nothing else may be.
pub(super) fn choose(
    wishes: &[Wish],
    is_text: bool,
    samplers: &mut [Sampler],
    draws: &mut Generator,
) -> Option<Known> {
    let candidates = candidates(wishes, is_text, samplers, draws);
    let is_kind = |known: &Known| known.is_text || !is_text;
    candidates.into_iter().find(|known| is_kind(known) && fits(wishes, known, samplers))
}

/// Whether a value is one of which all this is wanted.
pub(super) fn fits(wishes: &[Wish], known: &Known, samplers: &mut [Sampler]) -> bool {
    wishes.iter().all(|wish| wish.holds(known, samplers))
}

/// Values that may be ones of which all this is wanted.
pub(super) fn candidates(
    wishes: &[Wish],
    is_text: bool,
    samplers: &mut [Sampler],
    draws: &mut Generator,
) -> Vec<Known> {
    let mut candidates = Vec::new();
    let mut parts = Vec::new();
    let mut style = Style::Number;
    for wish in wishes {
        match wish {
            Wish::Is(known) => candidates.push(known.clone()),
            Wish::OneOf(all) => candidates.extend(all.iter().cloned()),
            Wish::Order(_, number) => {
                let near = [Some(number.clone()), above(number), below(number)];
                candidates.extend(near.into_iter().flatten().map(Known::literal));
            }
            Wish::Contains(part) => parts.push(part.clone()),
            Wish::There(wanted) if *wanted != Style::Number => style = *wanted,
            _ => {}
        }
    }
    for wish in wishes {
        let (Wish::Matches(index) | Wish::Found(index)) = wish else { continue };
        let Some(sampler) = samplers.get_mut(*index) else { continue };
        for _ in 0..3 {
            let found = sampler.sample(&mut |count| draw(draws, count));
            let Some(found) = found else { continue };
            candidates.push(Known::text(found.text.clone()));
            let part = parts.concat();
            candidates.extend(overwritten(&found.text, &part).map(Known::text));
            candidates.push(Known::text([found.text, part].concat()));
        }
    }
    if !parts.is_empty() {
        candidates.push(Known::text(parts.concat()));
    }
    let number = draws.uniform(NUMBERS.0, NUMBERS.1);
    let digits = number.to_string().into_bytes();
    match style {
        Style::Number => {
            candidates.push(Known { bytes: digits, is_text });
            candidates.push(Known::text(format!("t{number}")));
        }
        Style::Secret => candidates.push(Known::text(secret(draws))),
        Style::Path => candidates.push(Known::text(format!("/sim/{number}"))),
    }
    candidates.extend([Known::literal("true"), Known::literal("false")]);
    candidates
}

/// A text with a part of it replaced by another, in turn at each place.
fn overwritten<'t>(text: &'t [u8], part: &'t [u8]) -> impl Iterator<Item = Vec<u8>> + 't {
    let places = if part.is_empty() { 0 } else { (text.len() + 1).saturating_sub(part.len()) };
    (0..places.min(PLACES_MAX)).map(move |at| {
        let mut text = text.to_vec();
        text[at..at + part.len()].copy_from_slice(part);
        text
    })
}

fn secret(draws: &mut Generator) -> Vec<u8> {
    let digit = |_| char::from_digit(draws.uniform(0, 15) as u32, 16).unwrap_or('0');
    (0..SECRET_DIGITS).map(digit).collect::<String>().into_bytes()
}
