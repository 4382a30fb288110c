//! The query of a request: which delay, failure share, chunk size or way of aborting it asks for.
//!
//! Owns the grammar of values and its messages; must not know routes or how anything is carried out.
//! Keys it does not know belong to the user and are left alone.

use std::borrow::Cow;

use crate::config::MAX_DELAY_NS;
use crate::draw::{Delay, Share};

/// How `/abort` ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Abort {
    #[default]
    Reset,
    Fin,
}

/// The known keys of a query.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Query {
    pub(crate) delay: Option<Delay>,
    pub(crate) fail: Option<Share>,
    pub(crate) reset: Option<Share>,
    pub(crate) stall: Option<Share>,
    pub(crate) body_delay_ns: Option<u64>,
    pub(crate) chunk_bytes: Option<u64>,
    pub(crate) how: Option<Abort>,
}

/// What is wrong with a path or a query; its text becomes the body of the 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadTarget {
    #[error("`{key}={value}`: expected {expected}")]
    Value { key: &'static str, value: String, expected: &'static str },
    #[error("`{key}` stands twice in the query")]
    Repeated { key: &'static str },
    #[error("`{0}` is not a valid percent-encoding")]
    Percent(String),
    #[error("{route}: `{value}` is not {expected}")]
    Segment { route: &'static str, value: String, expected: &'static str },
    #[error("{route}: {value} bytes are more than max_response_bytes ({limit})")]
    TooLong { route: &'static str, value: u64, limit: u64 },
    #[error("the request target must be a path, an http URL or `*`")]
    Form,
}

const EXPECTED_DELAY: &str = "constant:TIME, uniform:LOW..HIGH, exponential:MEAN or bimodal:USUAL,TAIL,SHARE, \
    each TIME a decimal with ns, us, ms or s (ms if absent), at most 1 h";
const EXPECTED_TIME: &str = "a decimal with ns, us, ms or s (ms if absent), at most 1 h";
const EXPECTED_SHARE: &str = "a decimal from 0 to 1 with at most 9 digits after the point";
const EXPECTED_CHUNK: &str = "a number of bytes from 1 to 1073741824";
const MAX_CHUNK_BYTES: u64 = 1 << 30;
const EXPECTED_HOW: &str = "fin or reset";
/// Most characters of the client's text repeated in an answer.
const QUOTED_CHARS: usize = 100;

/// Parses the text after `?`.
pub(crate) fn parse(text: &str) -> Result<Query, BadTarget> {
    let mut query = Query::default();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, raw) = pair.split_once('=').unwrap_or((pair, ""));
        let value = || decode(raw);
        match key {
            "delay" => set(&mut query.delay, "delay", &value()?, EXPECTED_DELAY, delay)?,
            "fail" => set(&mut query.fail, "fail", &value()?, EXPECTED_SHARE, share)?,
            "reset" => set(&mut query.reset, "reset", &value()?, EXPECTED_SHARE, share)?,
            "stall" => set(&mut query.stall, "stall", &value()?, EXPECTED_SHARE, share)?,
            "body_delay" => {
                set(&mut query.body_delay_ns, "body_delay", &value()?, EXPECTED_TIME, time_ns)?;
            }
            "chunk" => set(&mut query.chunk_bytes, "chunk", &value()?, EXPECTED_CHUNK, chunk)?,
            "how" => set(&mut query.how, "how", &value()?, EXPECTED_HOW, how)?,
            _ => {}
        }
    }
    Ok(query)
}

fn set<T>(
    slot: &mut Option<T>,
    key: &'static str,
    value: &str,
    expected: &'static str,
    parse: fn(&str) -> Option<T>,
) -> Result<(), BadTarget> {
    if slot.is_some() {
        return Err(BadTarget::Repeated { key });
    }
    let parsed = parse(value);
    *slot = Some(parsed.ok_or_else(|| BadTarget::Value { key, value: quote(value), expected })?);
    Ok(())
}

/// The client's text, shortened for an answer.
pub(crate) fn quote(text: &str) -> String {
    text.chars().take(QUOTED_CHARS).collect()
}

/// Replaces each percent-encoded byte by the byte.
pub(crate) fn decode(raw: &str) -> Result<Cow<'_, str>, BadTarget> {
    if !raw.contains('%') {
        return Ok(Cow::Borrowed(raw));
    }
    let bad = || BadTarget::Percent(quote(raw));
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let (digits, after) = tail.split_at_checked(2).ok_or_else(bad)?;
            let high = char::from(digits[0]).to_digit(16).ok_or_else(bad)?;
            let low = char::from(digits[1]).to_digit(16).ok_or_else(bad)?;
            bytes.push((high * 16 + low) as u8);
            rest = after;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| bad())
}

/// A decimal as an integer of units of 10^-`places`; `None` if it is not exact or too large.
pub(crate) fn decimal(text: &str, places: u32) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let pointless = !text.contains('.');
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    if !pointless && fraction.is_empty() {
        return None;
    }
    let missing = places.checked_sub(u32::try_from(fraction.len()).ok()?)?;
    let whole = whole.parse::<u64>().ok()?.checked_mul(10_u64.checked_pow(places)?)?;
    let fraction = if fraction.is_empty() { 0 } else { fraction.parse::<u64>().ok()? };
    whole.checked_add(fraction.checked_mul(10_u64.checked_pow(missing)?)?)
}

/// A time with its unit, in nanoseconds.
fn time_ns(text: &str) -> Option<u64> {
    // "s" last: the other units end with it.
    let units = [("ns", 0), ("us", 3), ("ms", 6), ("s", 9)];
    let found =
        units.into_iter().find_map(|(unit, places)| Some((text.strip_suffix(unit)?, places)));
    let (number, places) = found.unwrap_or((text, 6));
    decimal(number, places).filter(|&ns| ns <= MAX_DELAY_NS)
}

fn delay(text: &str) -> Option<Delay> {
    let (kind, arguments) = text.split_once(':')?;
    match kind {
        "constant" => Some(Delay::Constant { ns: time_ns(arguments)? }),
        "uniform" => {
            let (low, high) = arguments.split_once("..")?;
            let (low_ns, high_ns) = (time_ns(low)?, time_ns(high)?);
            (low_ns <= high_ns).then_some(Delay::Uniform { low_ns, high_ns })
        }
        "exponential" => Some(Delay::Exponential { mean_ns: time_ns(arguments)? }),
        "bimodal" => {
            let (usual, rest) = arguments.split_once(',')?;
            let (tail, tail_share) = rest.split_once(',')?;
            let (usual_ns, tail_ns) = (time_ns(usual)?, time_ns(tail)?);
            Some(Delay::Bimodal { usual_ns, tail_ns, tail: share(tail_share)? })
        }
        _ => None,
    }
}

fn share(text: &str) -> Option<Share> {
    decimal(text, 9).and_then(Share::from_billionths)
}

fn chunk(text: &str) -> Option<u64> {
    decimal(text, 0).filter(|bytes| (1..=MAX_CHUNK_BYTES).contains(bytes))
}

fn how(text: &str) -> Option<Abort> {
    match text {
        "fin" => Some(Abort::Fin),
        "reset" => Some(Abort::Reset),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delay_of(text: &str) -> Option<Delay> {
        parse(&format!("delay={text}")).ok().and_then(|query| query.delay)
    }

    #[test]
    fn delays_are_read_exactly() {
        let tail = Share::from_billionths(10_000_000).expect("a share");
        let bimodal = Delay::Bimodal { usual_ns: 1_000_000, tail_ns: 100_000_000, tail };
        let uniform = Delay::Uniform { low_ns: 1_500_000, high_ns: 10_000_000 };
        assert_eq!(delay_of("constant:5ms"), Some(Delay::Constant { ns: 5_000_000 }));
        assert_eq!(delay_of("constant:0.000001ms"), Some(Delay::Constant { ns: 1 }));
        assert_eq!(delay_of("constant:7"), Some(Delay::Constant { ns: 7_000_000 }));
        assert_eq!(delay_of("uniform:1.5ms..10ms"), Some(uniform));
        assert_eq!(delay_of("exponential:250us"), Some(Delay::Exponential { mean_ns: 250_000 }));
        assert_eq!(delay_of("bimodal:1ms,100ms,0.01"), Some(bimodal));
        assert_eq!(delay_of("bimodal%3A1ms%2C100ms,0.01"), Some(bimodal));
    }

    #[test]
    fn malformed_delays_are_refused() {
        let bad = "constant constant: constant:x constant:-1ms constant:1.ms constant:.5ms constant:2h \
            constant:0.5ns constant:3601s uniform:1ms uniform:2ms..1ms exponential:+1ms bimodal:1ms,2ms \
            bimodal:1ms,2ms,1.1 normal:1ms";
        for text in bad.split_ascii_whitespace() {
            assert_eq!(delay_of(text), None, "{text}");
        }
        assert_eq!(delay_of(""), None);
    }

    #[test]
    fn messages_name_key_value_and_expectation() {
        let message = |text| parse(text).expect_err("malformed").to_string();
        assert_eq!(
            message("fail=2"),
            "`fail=2`: expected a decimal from 0 to 1 with at most 9 digits after the point"
        );
        assert_eq!(message("reset=0.1&reset=0.2"), "`reset` stands twice in the query");
        assert_eq!(message("how=x%2"), "`x%2` is not a valid percent-encoding");
        assert_eq!(message("how"), "`how=`: expected fin or reset");
        assert_eq!(
            message("chunk=0"),
            "`chunk=0`: expected a number of bytes from 1 to 1073741824"
        );
    }

    #[test]
    fn unknown_keys_are_left_alone() {
        assert_eq!(parse("user=%zz&&x"), Ok(Query::default()));
    }
}
