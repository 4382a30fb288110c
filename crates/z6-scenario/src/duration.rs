//! Durations as text: `1h30m`, `2.5s`, `500ms`. The one reader of command-line options and of settings of
//! the simulated world, and the writer of the latter. Integer arithmetic only.

use crate::error::ScenarioError;
use crate::load::{scaled, unscaled};
use z6_events::canary::is_planted;

/// A unit: its name, the decimal places from the unit it is counted in down to a nanosecond, and how many
/// of that unit it is.
struct Unit(&'static str, u32, u64);

/// Longest first.
const UNITS: [Unit; 7] = [
    Unit("h", 9, 3_600),
    Unit("m", 9, 60),
    Unit("s", 9, 1),
    Unit("ms", 6, 1),
    Unit("us", 3, 1),
    Unit("µs", 3, 1),
    Unit("ns", 0, 1),
];

/// Reads a duration as nanoseconds, exactly: numbers with their units, from the longest to the shortest.
/// A number alone is seconds.
///
/// # Errors
/// [`ScenarioError::DurationUnit`], [`ScenarioError::DurationOrder`], and the errors of
/// [`parse_seconds`](crate::parse_seconds).
///
/// ```
/// use z6_scenario::parse_duration;
/// assert_eq!(parse_duration("1h30m"), Ok(5_400_000_000_000));
/// assert_eq!(parse_duration("1.5"), Ok(1_500_000_000));
/// assert!(parse_duration("30m1h").is_err());
/// ```
pub fn parse_duration(text: &str) -> Result<u64, ScenarioError> {
    let text = text.trim();
    match text.chars().next_back() {
        Some(last) if last.is_alphabetic() => with_units(text),
        _ => crate::parse_seconds(text).map_err(|error| match error {
            // `1h30`
            ScenarioError::NotANumber => ScenarioError::DurationUnit,
            other => other,
        }),
    }
}

/// The same where every number has its unit, except 0.
pub(crate) fn with_units(text: &str) -> Result<u64, ScenarioError> {
    if scaled(text, 0) == Ok(0) {
        return Ok(0);
    }
    let (mut rest, mut total_ns, mut units) = (text, 0u64, &UNITS[..]);
    while !rest.is_empty() {
        let unit_at = rest.find(char::is_alphabetic).ok_or(ScenarioError::DurationUnit)?;
        let (number, after) = rest.split_at(unit_at);
        let end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (name, after) = after.split_at(end);
        let same = |Unit(unit, ..): &Unit| *unit == name;
        let Some(at) = units.iter().position(same) else {
            let is_one = UNITS.iter().any(same);
            return Err(if is_one {
                ScenarioError::DurationOrder
            } else {
                ScenarioError::DurationUnit
            });
        };
        let Unit(_, digits, times) = units[at];
        let times = if is_planted("durations") && name == "us" { 10 } else { times };
        let ns = scaled(number.trim_end(), digits)?.checked_mul(times);
        total_ns = ns.and_then(|ns| total_ns.checked_add(ns)).ok_or(ScenarioError::TooLarge)?;
        units = &units[at + 1..];
        rest = after.trim_start();
    }
    Ok(total_ns)
}

/// In the longest unit up to a second of which it is at least one.
pub(crate) fn write(ns: u64) -> String {
    let fits = |Unit(_, digits, times): &&Unit| *times == 1 && ns >= 10_u64.pow(*digits);
    let Unit(unit, digits, _) = UNITS.iter().find(fits).unwrap_or(&Unit("ms", 6, 1));
    format!("{}{unit}", unscaled(ns, *digits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_exact() {
        for (text, ns) in [
            ("30", 30_000_000_000),
            ("30s", 30_000_000_000),
            ("1.5m", 90_000_000_000),
            ("1h", 3_600_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("1h 30m 2.5s", 5_402_500_000_000),
            ("1m500ms", 60_500_000_000),
            ("1s1ms1us1ns", 1_001_001_001),
            ("500ms", 500_000_000),
            ("0.5", 500_000_000),
            ("1e3", 1_000_000_000_000),
            ("2 s", 2_000_000_000),
            ("7µs", 7_000),
            ("0", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(ns), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_says_why() {
        use ScenarioError as E;
        for (text, error) in [
            ("", E::DurationUnit),
            ("s", E::NotANumber),
            ("-1", E::Negative),
            ("1m-1s", E::Negative),
            ("1d", E::DurationUnit),
            ("1h30", E::DurationUnit),
            ("30m1h", E::DurationOrder),
            ("1s1s", E::DurationOrder),
            ("1e400", E::TooLarge),
            ("0.0000000001", E::TooFine { digits: 9 }),
            ("0.0000001ms", E::TooFine { digits: 6 }),
            ("99999999999h", E::TooLarge),
        ] {
            assert_eq!(parse_duration(text), Err(error), "{text}");
        }
        assert_eq!(with_units("5"), Err(E::DurationUnit));
        assert_eq!(with_units("0"), Ok(0));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(ns: u64) {
            prop_assert_eq!(with_units(&write(ns)), Ok(ns));
        }
    }
}
