//! Numbers and quoted texts into a buffer, without allocating. Knows no columns.

/// Appends a number in decimal.
#[inline]
pub(super) fn push_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// A field of a CSV line, quoted if it has to be (RFC 4180, section 2).
pub(crate) fn csv_text(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// [`csv_text`] as bytes.
pub(super) fn csv_field(text: &str) -> Vec<u8> {
    csv_text(text).into_bytes()
}

/// A JSON string, with its quotes.
pub(super) fn json_text(text: &str) -> Vec<u8> {
    // A string always has a JSON form.
    serde_json::to_vec(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_std() {
        for number in [0, 9, 10, 12_345, u64::MAX] {
            let mut out = Vec::new();
            push_number(&mut out, number);
            assert_eq!(out, number.to_string().into_bytes());
        }
    }

    #[test]
    fn fields_are_quoted_only_where_they_must_be() {
        let cases = [("get", "get"), ("a b", "a b"), ("a,b", "\"a,b\""), ("a\"b", "\"a\"\"b\"")];
        for (text, field) in cases {
            assert_eq!(csv_field(text), field.as_bytes());
        }
        assert_eq!(csv_field("a\nb"), b"\"a\nb\"");
    }
}
