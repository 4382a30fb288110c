//! Numbers for people: durations, counts, rates, shares, bytes. Three significant digits if a
//! unit is chosen; exact if not.

/// A duration in nanoseconds: `873 ns`, `12.3 µs`, `4.56 ms`, `1.20 s`, `412 s`.
#[must_use]
pub fn duration(ns: u64) -> String {
    if ns < 1_000 {
        return format!("{ns} ns");
    }
    scaled(ns, &[("µs", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)])
}

/// One in the last digit that [`duration`] prints, nanoseconds, where it prints three digits or fewer.
#[must_use]
pub const fn last_digit(ns: u64) -> u64 {
    match ns.checked_ilog10() {
        Some(digits) if digits > 2 => 10_u64.pow(digits - 2),
        Some(_) | None => 1,
    }
}

/// Bytes, decimal units: `873 B`, `12.3 kB`, `4.56 MB`.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    scaled(
        bytes,
        &[("kB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000)],
    )
}

/// Three significant digits in the first unit in which the rounded number stays below 1,000, or in
/// the last.
fn scaled(value: u64, units: &[(&str, u64)]) -> String {
    let mut text = String::new();
    for (index, (name, size)) in units.iter().enumerate() {
        let number = value as f64 / *size as f64;
        let last = index + 1 == units.len();
        if number < 999.5 || last {
            text = format!("{} {name}", three_digits(number));
            break;
        }
    }
    text
}

fn three_digits(number: f64) -> String {
    if number < 9.995 {
        format!("{number:.2}")
    } else if number < 99.95 {
        format!("{number:.1}")
    } else {
        count(number.round() as u64)
    }
}

/// A whole number in groups of three: `1,234,567`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate per second: `33,333/s`, `12.3/s`, `0.50/s`, `0.00125/s`. Only no rate is `0.00/s`.
#[must_use]
pub fn rate(per_second: f64) -> String {
    if !(1e-9..0.9995).contains(&per_second) {
        return format!("{}/s", three_digits(per_second));
    }
    // Three significant digits, and two decimals at least.
    let (mut decimals, mut leading) = (3, per_second);
    while leading < 0.0995 {
        leading *= 10.0;
        decimals += 1;
    }
    let mut text = format!("{per_second:.decimals$}");
    while text.ends_with('0') && text.len() > "0.00".len() {
        text.pop();
    }
    text + "/s"
}

/// A share of 1 as percent: `0 %`, `0.12 %`, `97.2 %`, `100 %`. Only nothing is `0 %` and only all
/// is `100 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if share <= 0.0 {
        "0 %".to_owned()
    } else if share >= 1.0 {
        "100 %".to_owned()
    } else if percent < 0.001 {
        "<0.001 %".to_owned()
    } else if percent < 0.1 {
        format!("{percent:.3} %")
    } else if percent < 10.0 {
        format!("{percent:.2} %")
    } else if percent < 99.9 {
        format!("{percent:.1} %")
    } else if percent < 99.999 {
        format!("{percent:.3} %")
    } else {
        ">99.999 %".to_owned()
    }
}

/// A count of things: `1 request`, `1,234 requests`.
pub fn plural(number: u64, thing: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {thing}{s}", count(number))
}

/// A number as written by a person: no needless zeros.
pub fn plain(number: f64) -> String {
    format!("{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits_and_round_into_the_next_unit() {
        let cases = [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1.00 µs"),
            (9_994, "9.99 µs"),
            (9_995, "10.0 µs"),
            (99_949, "99.9 µs"),
            (99_950, "100 µs"),
            (999_499, "999 µs"),
            (999_500, "1.00 ms"),
            (1_500_000_000, "1.50 s"),
            (412_000_000_000, "412 s"),
            (90_000_000_000_000, "90,000 s"),
        ];
        for (ns, text) in cases {
            assert_eq!(duration(ns), text, "{ns}");
        }
    }

    #[test]
    fn the_last_digit_is_the_last_printed() {
        for ns in
            [1_u64, 999, 1_000, 9_990, 12_300, 456_000, 1_230_000, 98_700_000, 999_000_000_000]
        {
            assert_ne!(duration(ns), duration(ns + last_digit(ns)), "{ns}");
            assert_eq!(duration(ns), duration(ns + last_digit(ns) / 3), "{ns}");
        }
        assert_eq!(last_digit(0), 1);
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_000), "1,000");
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn rates_and_bytes_have_three_digits_or_all_of_them() {
        assert_eq!(rate(0.0), "0.00/s");
        assert_eq!(rate(0.5), "0.50/s");
        assert_eq!(rate(0.125), "0.125/s");
        assert_eq!(rate(0.001), "0.001/s");
        assert_eq!(rate(1.0 / 86_400.0), "0.0000116/s");
        assert_eq!(rate(0.099_96), "0.10/s");
        assert_eq!(rate(0.999_6), "1.00/s");
        assert_eq!(rate(12.34), "12.3/s");
        assert_eq!(rate(33_333.3), "33,333/s");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_234_567), "1.23 MB");
        assert_eq!(bytes(5_000_000_000_000_000), "5,000 TB");
    }

    #[test]
    fn only_nothing_is_zero_percent_and_only_all_is_a_hundred() {
        let cases = [
            (0.0, "0 %"),
            (1e-9, "<0.001 %"),
            (0.000_5, "0.050 %"),
            (0.012_345, "1.23 %"),
            (0.5, "50.0 %"),
            (0.999_9, "99.990 %"),
            (0.999_999_99, ">99.999 %"),
            (1.0, "100 %"),
        ];
        for (share, text) in cases {
            assert_eq!(percent(share), text, "{share}");
        }
    }
}
