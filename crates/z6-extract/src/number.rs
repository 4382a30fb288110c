//! Numbers as they are written, compared exactly as decimals: no floats, no rounding.

use std::cmp::Ordering;

/// Most digits of an exponent. A number with a longer one equals none and has no order.
const EXPONENT_DIGITS_MAX: usize = 18;

/// A number that is not zero: its sign, and 0.d1d2d3.. x 10^`magnitude` with d1 > 0.
struct Parts<'n> {
    is_negative: bool,
    whole: &'n [u8],
    fraction: &'n [u8],
    magnitude: i64,
}

enum Number<'n> {
    Zero,
    Other(Parts<'n>),
}

/// How two numbers of JSON (RFC 8259 §6) compare; none if one of them is no such number or has an
/// exponent of more than 18 digits.
///
/// ```
/// use std::cmp::Ordering;
/// use z6_extract::compare_numbers;
///
/// assert_eq!(compare_numbers(b"1e2", b"100.0"), Some(Ordering::Equal));
/// let (long, longer) = (b"9007199254740993", b"9007199254740993.1");
/// assert_eq!(compare_numbers(long, longer), Some(Ordering::Less));
/// ```
pub fn compare_numbers(left: &[u8], right: &[u8]) -> Option<Ordering> {
    let sign = |number: &Number<'_>| match number {
        Number::Zero => 0,
        Number::Other(parts) => 1 - 2 * i32::from(parts.is_negative),
    };
    let (left, right) = (Number::read(left)?, Number::read(right)?);
    let signs = sign(&left).cmp(&sign(&right));
    match (left, right) {
        (Number::Other(left), Number::Other(right)) if signs.is_eq() => {
            let sizes = left.compare_sizes(&right);
            Some(if left.is_negative { sizes.reverse() } else { sizes })
        }
        _ => Some(signs),
    }
}

impl<'n> Number<'n> {
    fn read(text: &'n [u8]) -> Option<Number<'n>> {
        let unsigned = text.strip_prefix(b"-");
        let (is_negative, text) = (unsigned.is_some(), unsigned.unwrap_or(text));
        let (whole, text) = digits(text);
        let (fraction, text) = match text.strip_prefix(b".") {
            Some(text) => digits(text),
            None => (&b""[..], text),
        };
        if whole.is_empty() {
            return None;
        }
        let zeros = |text: &[u8]| text.iter().take_while(|&&digit| digit == b'0').count();
        let leading = zeros(whole);
        let whole = whole.get(leading..)?;
        let (fraction, size) = if whole.is_empty() {
            let small = zeros(fraction);
            (fraction.get(small..)?, -i64::try_from(small).ok()?)
        } else {
            (fraction, i64::try_from(whole.len()).ok()?)
        };
        let exponent = read_exponent(text)?;
        if whole.is_empty() && fraction.is_empty() {
            return Some(Number::Zero);
        }
        let magnitude = size.checked_add(exponent.value()?)?;
        Some(Number::Other(Parts { is_negative, whole, fraction, magnitude }))
    }
}

impl Parts<'_> {
    fn compare_sizes(&self, other: &Self) -> Ordering {
        self.magnitude.cmp(&other.magnitude).then_with(|| {
            let mut left = self.whole.iter().chain(self.fraction);
            let mut right = other.whole.iter().chain(other.fraction);
            loop {
                match (left.next(), right.next()) {
                    (None, None) => return Ordering::Equal,
                    (left, right) => match left.unwrap_or(&b'0').cmp(right.unwrap_or(&b'0')) {
                        Ordering::Equal => {}
                        other => return other,
                    },
                }
            }
        })
    }
}

/// An exponent as it is written.
struct Exponent<'n> {
    is_negative: bool,
    digits: &'n [u8],
}

impl Exponent<'_> {
    fn value(&self) -> Option<i64> {
        let leading = self.digits.iter().take_while(|&&digit| digit == b'0').count();
        let digits = self.digits.get(leading..)?;
        if digits.len() > EXPONENT_DIGITS_MAX {
            return None;
        }
        let size = digits.iter().fold(0, |size, digit| size * 10 + i64::from(digit - b'0'));
        Some(if self.is_negative { -size } else { size })
    }
}

/// The exponent that is all of `text`, which may be empty.
fn read_exponent(text: &[u8]) -> Option<Exponent<'_>> {
    let text = match text {
        [] => return Some(Exponent { is_negative: false, digits: b"" }),
        [b'e' | b'E', text @ ..] => text,
        _ => return None,
    };
    let (is_negative, text) = match text {
        [sign @ (b'+' | b'-'), text @ ..] => (*sign == b'-', text),
        _ => (false, text),
    };
    let (digits, rest) = digits(text);
    (!digits.is_empty() && rest.is_empty()).then_some(Exponent { is_negative, digits })
}

/// The digits that `text` begins with, and the rest.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn compared(left: &str, right: &str) -> Option<Ordering> {
        let forth = compare_numbers(left.as_bytes(), right.as_bytes());
        let back = compare_numbers(right.as_bytes(), left.as_bytes());
        assert_eq!(forth, back.map(Ordering::reverse), "{left} {right}");
        forth
    }

    #[test]
    fn spellings_of_one_number_are_equal() {
        for all in [
            &["1", "1.0", "1e0", "10e-1", "0.1e1", "0.001E+3", "100e-0002"][..],
            &["0", "-0", "0.000", "0e99999999999999999999", "-0.0e-5"],
            &["-1200", "-1.2e3", "-12E2", "-0.0012e6"],
            &["1e999999999999999999", "100e0999999999999999997"],
        ] {
            for left in all {
                for right in all {
                    assert_eq!(compared(left, right), Some(Ordering::Equal), "{left} {right}");
                }
            }
        }
    }

    #[test]
    fn order_is_exact() {
        let rising = [
            "-1e400",
            "-9007199254740993",
            "-9007199254740992.9",
            "-1.5",
            "-0.1e-400",
            "0",
            "1e-999999999999999999",
            "1e-400",
            "0.1",
            "0.10000000000000000000000000001",
            "0.2",
            "9007199254740992",
            "9007199254740993",
            "1e308",
            "1e400",
        ];
        for (i, left) in rising.iter().enumerate() {
            for right in &rising[i + 1..] {
                assert_eq!(compared(left, right), Some(Ordering::Less), "{left} {right}");
            }
        }
    }

    #[test]
    fn what_is_no_number_has_no_order() {
        for text in ["", "-", "a", "1.2.3", "1e", "1e+", "1 ", "+1", ".5", "1e9999999999999999999"]
        {
            assert_eq!(compared(text, "1"), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn it_is_the_order_of_fractions(a: i32, b: i32, x in 0..9_u32, y in 0..9_u32) {
            let text = |n: i32, e: u32| format!("{n}e-{e}");
            let scaled = |n: i32, e: u32| i128::from(n) * 10_i128.pow(9 - e);
            prop_assert_eq!(compared(&text(a, x), &text(b, y)), Some(scaled(a, x).cmp(&scaled(b, y))));
            let point = |n: i32| format!("{}.{:03}", n / 1000, (n % 1000).abs());
            if a.abs() >= 1000 && b.abs() >= 1000 {
                prop_assert_eq!(compared(&point(a), &point(b)), Some(a.cmp(&b)));
            }
        }
    }
}
