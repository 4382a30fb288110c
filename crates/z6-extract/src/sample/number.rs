//! Numbers that are a little more or less than another one.

/// A number above this one; none if it is too large, or written with an exponent.
#[must_use]
pub fn above(number: &[u8]) -> Option<Vec<u8>> {
    next(number, 1)
}

/// A number below this one; none if it is too large, or written with an exponent.
#[must_use]
pub fn below(number: &[u8]) -> Option<Vec<u8>> {
    next(number, -1)
}

fn next(number: &[u8], step: i128) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(number).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole: i128 = whole.parse().ok()?;
    Some(whole.checked_add(step)?.to_string().into_bytes())
}
