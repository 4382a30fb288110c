//! The dates of `Expires` as user agents read them (RFC 6265bis §5.1.1).
//!
//! No format: words in any order that look like a time, a day, a month and a year.

const MONTHS: [&[u8; 3]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];

/// Seconds since 1970 of a date, if it is one.
pub(super) fn parse(text: &[u8]) -> Option<i64> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for word in text.split(|&byte| is_delimiter(byte)).filter(|word| !word.is_empty()) {
        let is_taken = take(&mut time, || time_of_day(word))
            || take(&mut day, || number(word, 1, 2))
            || take(&mut month, || month_of(word));
        if !is_taken {
            take(&mut year, || number(word, 2, 4));
        }
    }
    let year = match year? {
        year @ 70..=99 => year + 1900,
        year @ 0..=69 => year + 2000,
        year => year,
    };
    let (day, month) = (day?, month?);
    let time = time?.filter(|_| year >= 1601 && (1..=days_of(month, year)).contains(&day))?;
    Some(days_since_1970(year, month, day) * 86_400 + time)
}

/// Fills a slot that is empty; returns whether it did.
fn take<T>(slot: &mut Option<T>, read: impl FnOnce() -> Option<T>) -> bool {
    if slot.is_some() {
        return false;
    }
    *slot = read();
    slot.is_some()
}

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'/' | b';'..=b'@' | b'['..=b'`' | b'{'..=b'~')
}

/// A number of `least` to `most` digits, behind which anything but a digit may stand.
fn number(word: &[u8], least: usize, most: usize) -> Option<i64> {
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit());
    let (count, number) = digits
        .take(most + 1)
        .fold((0, 0), |(n, sum), &digit| (n + 1, sum * 10 + i64::from(digit - b'0')));
    (least..=most).contains(&count).then_some(number)
}

/// Seconds since midnight of a word that looks like a time, if there is such a time.
fn time_of_day(word: &[u8]) -> Option<Option<i64>> {
    let mut parts = word.splitn(3, |&byte| byte == b':');
    let whole = |part: &[u8]| part.iter().all(u8::is_ascii_digit).then(|| number(part, 1, 2))?;
    let (hour, minute) = (whole(parts.next()?)?, whole(parts.next()?)?);
    let second = number(parts.next()?, 1, 2)?;
    let is_time = hour < 24 && minute < 60 && second < 60;
    Some(is_time.then_some((hour * 60 + minute) * 60 + second))
}

/// The number of a month, from 1, that a word begins with.
fn month_of(word: &[u8]) -> Option<i64> {
    let start = word.get(..3)?;
    let index = MONTHS.iter().position(|month| start.eq_ignore_ascii_case(*month))?;
    i64::try_from(index + 1).ok()
}

fn days_of(month: i64, year: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01; years begin in March, so that the leap day is the last one.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = year / 4 - year / 100 + year / 400;
    year * 365 + leaps + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_all_usual_forms() {
        for text in [
            "Wed, 21 Oct 2015 07:28:00 GMT",
            "Wednesday, 21-Oct-15 07:28:00 GMT",
            "Wed, 21-Oct-2015 07:28:00 GMT",
            "Wed Oct 21 07:28:00 2015",
            "2015 october 21 7:28:0",
            "21oct 07:28:00x 15",
            "07:28:00 21/OCTOBER/2015 99",
        ] {
            let month_only = text.starts_with("21oct");
            let expected = if month_only { None } else { Some(1_445_412_480) };
            assert_eq!(parse(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        let at = |text: &str| parse(format!("{text} 00:00:00").as_bytes());
        assert_eq!(at("1 Jan 1970"), Some(0));
        assert_eq!(at("1 Jan 70"), Some(0));
        assert_eq!(at("1 Jan 69"), Some(36_160 * 86_400));
        assert_eq!(at("29 Feb 2000"), Some(951_782_400));
        assert_eq!(at("1 Mar 2000"), Some(951_868_800));
        assert_eq!(at("31 Dec 1969"), Some(-86_400));
        assert_eq!(at("1 Jan 1601"), Some(-11_644_473_600));
        for wrong in
            ["29 Feb 2001", "29 Feb 1900", "31 Apr 2020", "0 Jan 2020", "1 Jan 1600", "1 x 2020"]
        {
            assert_eq!(at(wrong), None, "{wrong}");
        }
        for wrong in ["24:00:00", "1:60:00", "1:1:60", "1:1", "1:1:111", "100:1:1"] {
            assert_eq!(parse(format!("1 Jan 2020 {wrong}").as_bytes()), None, "{wrong}");
        }
        assert_eq!(parse(b"24:00:00 1 Jan 2020 1:1:1"), None);
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"1 Jan 20202 00:00:00"), None);
    }
}
