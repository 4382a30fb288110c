//! Instants as text.

use std::io::Write as _;

const SECONDS_PER_DAY: u64 = 86_400;

/// Appends an instant in UTC with milliseconds (RFC 3339), such as `2001-09-09T01:46:40.500Z`.
pub fn push_rfc3339_ms(unix_ns: u64, out: &mut Vec<u8>) {
    let (seconds, ms) = (unix_ns / 1_000_000_000, unix_ns / 1_000_000 % 1_000);
    let (days, second) = (seconds / SECONDS_PER_DAY, seconds % SECONDS_PER_DAY);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    // A vector takes everything.
    let _ = write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z");
}

/// Year, month and day of the Gregorian calendar, so many days after 1970-01-01. Counted from 0000-03-01 in
/// cycles of 400 years, so that the day that some years have more is the last of its year.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (cycle, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (cycle * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(unix_ns: u64) -> String {
        let mut out = Vec::new();
        push_rfc3339_ms(unix_ns, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn instants_are_dates_and_times_in_utc() {
        let seconds = |s: u64| text(s * 1_000_000_000);
        assert_eq!(text(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(text(1_000_000_000_500_999_999), "2001-09-09T01:46:40.500Z");
        assert_eq!(seconds(951_782_399), "2000-02-28T23:59:59.000Z");
        assert_eq!(seconds(951_782_400), "2000-02-29T00:00:00.000Z");
        assert_eq!(seconds(951_868_800), "2000-03-01T00:00:00.000Z");
        assert_eq!(seconds(4_107_542_400), "2100-03-01T00:00:00.000Z");
        assert_eq!(text(u64::MAX), "2554-07-21T23:34:33.709Z");
    }

    #[test]
    fn each_day_of_800_years_follows_the_one_before() {
        let mut expected = (1970, 1, 1);
        for days in 0..292_194 {
            assert_eq!(date(days), expected);
            let (year, month, day) = expected;
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = [31, 28 + u64::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
                [month as usize - 1];
            expected = match (day < length, month < 12) {
                (true, _) => (year, month, day + 1),
                (false, true) => (year, month + 1, 1),
                (false, false) => (year + 1, 1, 1),
            };
        }
    }
}
