//! Cookies (RFC 6265bis): what `Set-Cookie` says, and a bounded jar.
//!
//! - `date`: dates of `Expires`.
//! - `jar`: which cookies are stored, and where they are sent.

mod date;
mod jar;

use std::fmt;

pub use jar::{Destination, Jar, Refused, Stored};

use crate::limits::{MAX_COOKIE_AGE_SECONDS, MAX_COOKIE_ATTRIBUTE_BYTES, MAX_COOKIE_BYTES};

/// What `SameSite` says (RFC 6265bis §5.6.7). A jar does not look at it: there is no page that a
/// request comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameSite {
    /// Nothing, or nothing known.
    #[default]
    Default,
    /// `None`.
    None,
    /// `Lax`.
    Lax,
    /// `Strict`.
    Strict,
}

/// The value of a `Set-Cookie` field, read as a user agent does (RFC 6265bis §5.6).
///
/// Its debug form does not show the cookie's value.
///
/// ```
/// use z6_extract::SetCookie;
///
/// let cookie = SetCookie::parse(b"sid = 31d4 ; Path=/; Secure; Max-Age=60").unwrap();
/// assert_eq!((cookie.name, cookie.value), (&b"sid"[..], &b"31d4"[..]));
/// assert_eq!(cookie.max_age_seconds, Some(60));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SetCookie<'a> {
    /// Name; may be empty.
    pub name: &'a [u8],
    /// Value; may be empty.
    pub value: &'a [u8],
    /// `Max-Age`, seconds, at most 400 days; 0 for one that is not positive.
    pub max_age_seconds: Option<i64>,
    /// `Expires`, seconds since 1970.
    pub expires_unix_seconds: Option<i64>,
    /// `Domain` without the dot in front; None if missing or empty.
    pub domain: Option<&'a [u8]>,
    /// `Path`; empty if it does not begin with `/`.
    pub path: Option<&'a [u8]>,
    /// `Secure`.
    pub is_secure: bool,
    /// `HttpOnly`, which says nothing to a client without scripts.
    pub is_http_only: bool,
    /// `SameSite`.
    pub same_site: SameSite,
}

impl fmt::Debug for SetCookie<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SetCookie")
            .field("name", &String::from_utf8_lossy(self.name))
            .field("value_bytes", &self.value.len())
            .finish_non_exhaustive()
    }
}

impl<'a> SetCookie<'a> {
    /// Reads the value of a `Set-Cookie` field.
    ///
    /// # Errors
    /// If a user agent ignores it as a whole.
    pub fn parse(field: &'a [u8]) -> Result<SetCookie<'a>, Refused> {
        if field.iter().any(|&byte| byte.is_ascii_control() && byte != b'\t') {
            return Err(Refused::ControlCharacter);
        }
        let mut parts = field.split(|&byte| byte == b';');
        let pair = parts.next().unwrap_or_default();
        let (name, value) = split_pair(pair).unwrap_or((b"", trim(pair)));
        if name.is_empty() && value.is_empty() {
            return Err(Refused::Empty);
        }
        if name.len() + value.len() > MAX_COOKIE_BYTES {
            return Err(Refused::TooLarge);
        }
        let mut cookie = SetCookie {
            name,
            value,
            max_age_seconds: None,
            expires_unix_seconds: None,
            domain: None,
            path: None,
            is_secure: false,
            is_http_only: false,
            same_site: SameSite::Default,
        };
        for part in parts {
            let (name, value) = split_pair(part).unwrap_or((trim(part), b""));
            if value.len() <= MAX_COOKIE_ATTRIBUTE_BYTES {
                cookie.attribute(name, value);
            }
        }
        Ok(cookie)
    }

    /// Takes in one attribute; the last one of a name counts.
    fn attribute(&mut self, name: &[u8], value: &'a [u8]) {
        let is = |usual: &str| name.eq_ignore_ascii_case(usual.as_bytes());
        if is("Expires") {
            self.expires_unix_seconds = date::parse(value).or(self.expires_unix_seconds);
        } else if is("Max-Age") {
            self.max_age_seconds = max_age(value).or(self.max_age_seconds);
        } else if is("Domain") {
            let domain = value.strip_prefix(b".").unwrap_or(value);
            self.domain = (!domain.is_empty()).then_some(domain);
        } else if is("Path") {
            self.path = Some(if value.starts_with(b"/") { value } else { b"" });
        } else if is("Secure") {
            self.is_secure = true;
        } else if is("HttpOnly") {
            self.is_http_only = true;
        } else if is("SameSite") {
            self.same_site = same_site(value);
        }
    }
}

fn same_site(value: &[u8]) -> SameSite {
    let is = |usual: &str| value.eq_ignore_ascii_case(usual.as_bytes());
    match () {
        () if is("None") => SameSite::None,
        () if is("Lax") => SameSite::Lax,
        () if is("Strict") => SameSite::Strict,
        () => SameSite::Default,
    }
}

/// What stands before and behind the first `=`, without white space around.
fn split_pair(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|&byte| byte == b'=')?;
    let (name, value) = text.split_at(at);
    Some((trim(name), trim(value.get(1..)?)))
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// `Max-Age`, at most 400 days (RFC 6265bis §5.6.2).
fn max_age(value: &[u8]) -> Option<i64> {
    let digits = value.strip_prefix(b"-");
    let (is_negative, digits) = (digits.is_some(), digits.unwrap_or(value));
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    if is_negative {
        return Some(0);
    }
    let add = |sum: i64, digit: &u8| {
        let sum = sum.saturating_mul(10).saturating_add(i64::from(digit - b'0'));
        sum.min(MAX_COOKIE_AGE_SECONDS)
    };
    Some(digits.iter().fold(0, add))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> SetCookie<'_> {
        SetCookie::parse(text.as_bytes()).unwrap()
    }

    fn pair(text: &str) -> (&str, &str) {
        let cookie = parse(text);
        (std::str::from_utf8(cookie.name).unwrap(), std::str::from_utf8(cookie.value).unwrap())
    }

    #[test]
    fn an_age_without_digits_is_ignored() {
        for text in ["a=1; Max-Age=-", "a=1; Max-Age=", "a=1; Max-Age=-x", "a=1; Max-Age=1x"] {
            assert_eq!(parse(text).max_age_seconds, None, "{text}");
        }
        assert_eq!(parse("a=1; Max-Age=5; Max-Age=-").max_age_seconds, Some(5));
        assert_eq!(parse("a=1; Max-Age=-1").max_age_seconds, Some(0));
    }

    #[test]
    fn names_and_values_are_split_at_the_first_equals_sign() {
        assert_eq!(pair("a=b"), ("a", "b"));
        assert_eq!(pair(" a b\t= c=d ; x"), ("a b", "c=d"));
        assert_eq!(pair("a=\"b c\""), ("a", "\"b c\""));
        assert_eq!(pair("a="), ("a", ""));
        assert_eq!(pair("=b"), ("", "b"));
        assert_eq!(pair("b"), ("", "b"));
        for empty in ["", " ", "=", " = ; Path=/", ";a=b"] {
            assert_eq!(SetCookie::parse(empty.as_bytes()), Err(Refused::Empty), "{empty:?}");
        }
    }

    #[test]
    fn attributes_are_read_in_any_case_and_the_last_one_counts() {
        let cookie = parse("a=b; path = /x;PATH=/y; domain=.A.example; SECURE=no; httponly; x=y");
        assert_eq!((cookie.path, cookie.domain), (Some(&b"/y"[..]), Some(&b"A.example"[..])));
        assert!(cookie.is_secure && cookie.is_http_only);
        assert_eq!(parse("a=b; Path=/x; Path=x").path, Some(&b""[..]));
        assert_eq!(parse("a=b; Domain=x; Domain=.").domain, None);
        let same_site = |text: &str| parse(text).same_site;
        assert_eq!(same_site("a=b; SameSite=strict"), SameSite::Strict);
        assert_eq!(same_site("a=b; SameSite=Lax; samesite=NONE"), SameSite::None);
        assert_eq!(same_site("a=b; SameSite=Lax; samesite=x"), SameSite::Default);
    }

    #[test]
    fn ages_are_whole_seconds_up_to_400_days() {
        let age = |text: &str| parse(text).max_age_seconds;
        assert_eq!(age("a=b; Max-Age=10"), Some(10));
        assert_eq!(age("a=b; Max-Age=0"), Some(0));
        assert_eq!(age("a=b; Max-Age=-5"), Some(0));
        assert_eq!(age("a=b; Max-Age=99999999999999999999"), Some(MAX_COOKIE_AGE_SECONDS));
        for wrong in ["", "1.5", "+5", "1 0", "--1", "x"] {
            assert_eq!(age(&format!("a=b; Max-Age=7; Max-Age={wrong}")), Some(7), "{wrong}");
        }
    }

    #[test]
    fn cookies_are_bounded() {
        let of = |bytes: usize| format!("a={}", "x".repeat(bytes - 1));
        assert!(SetCookie::parse(of(MAX_COOKIE_BYTES).as_bytes()).is_ok());
        let long = of(MAX_COOKIE_BYTES + 1);
        assert_eq!(SetCookie::parse(long.as_bytes()), Err(Refused::TooLarge));
        let long = format!("a=b; Path=/{}", "x".repeat(MAX_COOKIE_ATTRIBUTE_BYTES));
        assert_eq!(parse(&long).path, None);
        for wrong in ["a=b\0", "a\n=b", "a=b; Path=/\x7f", "a=b\r"] {
            let refused = Err(Refused::ControlCharacter);
            assert_eq!(SetCookie::parse(wrong.as_bytes()), refused, "{wrong:?}");
        }
        assert_eq!(pair("a=b\tc"), ("a", "b\tc"));
    }

    #[test]
    fn values_are_not_shown() {
        let shown = format!("{:?}", parse("sid=hidden"));
        assert_eq!(shown, "SetCookie { name: \"sid\", value_bytes: 6, .. }");
    }
}
