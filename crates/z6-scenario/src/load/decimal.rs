//! Decimal numbers read exactly, from their literal text, into integers of a smaller unit.
//! Integer arithmetic only: nothing passes through a float. Knows nothing of keys or TOML tables.

use crate::error::ScenarioError;

/// Reads seconds with up to nine decimals as nanoseconds: `"0.5"` is 500,000,000.
///
/// The same reader that `*_seconds` keys go through, for command lines.
///
/// # Errors
/// [`ScenarioError::NotANumber`], [`NotFinite`](ScenarioError::NotFinite),
/// [`Negative`](ScenarioError::Negative), [`TooFine`](ScenarioError::TooFine) or
/// [`TooLarge`](ScenarioError::TooLarge).
///
/// ```
/// assert_eq!(z6_scenario::parse_seconds("1.5"), Ok(1_500_000_000));
/// assert!(z6_scenario::parse_seconds("0.0000000001").is_err());
/// ```
pub fn parse_seconds(text: &str) -> Result<u64, ScenarioError> {
    scaled(text, 9)
}

/// `text` times 10^`digits`, exactly. Takes what TOML takes as a decimal integer or float: a sign,
/// underscores between digits, a fraction, an exponent.
pub(crate) fn scaled(text: &str, digits: u32) -> Result<u64, ScenarioError> {
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if matches!(unsigned, "nan" | "inf") {
        return Err(ScenarioError::NotFinite);
    }
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], parse_exponent(&unsigned[at + 1..])?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (digits_of(whole)?, digits_of(fraction)?),
        None => (digits_of(mantissa)?, String::new()),
    };
    let places = i64::try_from(fraction.len()).map_err(|_| ScenarioError::TooFine { digits })?;
    let all = whole + &fraction;
    let significant = all.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Ok(0);
    }
    if negative {
        return Err(ScenarioError::Negative);
    }
    let trailing = all.len() - all.trim_end_matches('0').len();
    let trailing = i64::try_from(trailing).map_err(|_| ScenarioError::TooLarge)?;
    shift(significant, exponent - places + trailing + i64::from(digits), digits)
}

/// `significant` (digits without zeros at either end) times 10^`power`.
fn shift(significant: &str, power: i64, digits: u32) -> Result<u64, ScenarioError> {
    if power < 0 {
        return Err(ScenarioError::TooFine { digits });
    }
    let value: u64 = significant.parse().map_err(|_| ScenarioError::TooLarge)?;
    let power = u32::try_from(power).map_err(|_| ScenarioError::TooLarge)?;
    let factor = 10_u64.checked_pow(power).ok_or(ScenarioError::TooLarge)?;
    value.checked_mul(factor).ok_or(ScenarioError::TooLarge)
}

/// The digits of `text` without the underscores that are allowed between two digits.
fn digits_of(text: &str) -> Result<String, ScenarioError> {
    let mut digits = String::with_capacity(text.len());
    let mut after_digit = false;
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' => digits.push(char::from(byte)),
            b'_' if after_digit => {}
            _ => return Err(ScenarioError::NotANumber),
        }
        after_digit = byte != b'_';
    }
    if after_digit { Ok(digits) } else { Err(ScenarioError::NotANumber) }
}

/// The exponent, held within what no 64-bit result can come back from.
fn parse_exponent(text: &str) -> Result<i64, ScenarioError> {
    const FAR: i64 = 1 << 40;
    let (sign, text) = match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    let digits = digits_of(text)?;
    let size =
        digits.bytes().fold(0_i64, |sum, digit| (sum * 10 + i64::from(digit - b'0')).min(FAR));
    Ok(sign * size)
}

/// `value` of 10^-`digits` units as a decimal without trailing zeros. At most 19 digits.
///
/// ```
/// assert_eq!(z6_scenario::unscaled(1_500, 3), "1.5");
/// ```
#[must_use]
pub fn unscaled(value: u64, digits: u32) -> String {
    let factor = 10_u64.pow(digits);
    let (whole, rest) = (value / factor, value % factor);
    if rest == 0 {
        return whole.to_string();
    }
    let fraction = format!("{rest:0width$}", width = digits as usize);
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn literals_are_taken_exactly() {
        for (text, digits, expected) in [
            ("0", 9, 0),
            ("0.0", 9, 0),
            ("-0.0", 9, 0),
            ("1", 9, 1_000_000_000),
            ("+1", 6, 1_000_000),
            ("0.000000001", 9, 1),
            ("0.0000000010", 9, 1),
            ("0.1", 9, 100_000_000),
            ("0.3", 6, 300_000),
            ("1_000.5", 6, 1_000_500_000),
            ("1e3", 9, 1_000_000_000_000),
            ("1E+3", 0, 1_000),
            ("25e-1", 6, 2_500_000),
            ("1200e-2", 0, 12),
            ("1e-9", 9, 1),
            ("18446744073709551615", 0, u64::MAX),
            ("18446744073.709551615", 9, u64::MAX),
        ] {
            assert_eq!(scaled(text, digits), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_exact_is_refused() {
        let fine = |digits| Err(ScenarioError::TooFine { digits });
        for (text, digits, expected) in [
            ("1e-10", 9, fine(9)),
            ("0.0000001", 6, fine(6)),
            ("1e-99999999999999999999", 9, fine(9)),
            ("1e99999999999999999999", 9, Err(ScenarioError::TooLarge)),
            ("18446744073709551616", 0, Err(ScenarioError::TooLarge)),
            ("1e11", 9, Err(ScenarioError::TooLarge)),
            ("-1", 9, Err(ScenarioError::Negative)),
            ("-0.001", 9, Err(ScenarioError::Negative)),
            ("nan", 9, Err(ScenarioError::NotFinite)),
            ("-inf", 9, Err(ScenarioError::NotFinite)),
            ("", 9, Err(ScenarioError::NotANumber)),
            (".5", 9, Err(ScenarioError::NotANumber)),
            ("5.", 9, Err(ScenarioError::NotANumber)),
            ("1__0", 9, Err(ScenarioError::NotANumber)),
            ("1e", 9, Err(ScenarioError::NotANumber)),
            ("10s", 9, Err(ScenarioError::NotANumber)),
            ("--1", 9, Err(ScenarioError::NotANumber)),
        ] {
            assert_eq!(scaled(text, digits), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_comes_back(value: u64, digits in 0_u32..=12, zeros in 0_usize..4) {
            let mut text = unscaled(value, digits);
            if text.contains('.') {
                text.push_str(&"0".repeat(zeros));
            }
            prop_assert_eq!(scaled(&text, digits), Ok(value));
        }

        #[test]
        fn an_exponent_moves_the_point(value in 0_u64..1_000_000_000, places in 0_u32..9) {
            prop_assert_eq!(scaled(&format!("{value}e-{places}"), places), Ok(value));
            prop_assert_eq!(scaled(&format!("{value}.0e{places}"), 0), Ok(value * 10_u64.pow(places)));
        }

        #[test]
        fn any_text_is_answered(text in "\\PC{0,24}", digits in 0_u32..12) {
            let _ = scaled(&text, digits);
        }
    }
}
