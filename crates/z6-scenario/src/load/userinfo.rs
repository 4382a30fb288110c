//! The user information of a base URL as credentials. Source: RFC 3986 section 3.2.1, RFC 7617
//! section 2. Knows no keys.

use crate::reach::Credentials;

/// Why user information cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UserinfoFault {
    Empty,
    At,
    Percent,
    Control,
    Colon,
}

impl UserinfoFault {
    /// What is wrong, after "the base URL ".
    pub(crate) const fn message(self) -> &'static str {
        match self {
            UserinfoFault::Empty => "has an empty user name and password",
            UserinfoFault::At => "has more than one `@` before its host",
            UserinfoFault::Percent => "has a `%` without two hexadecimal digits before its host",
            UserinfoFault::Control => "has a control character in its user name or password",
            UserinfoFault::Colon => "has a `:` in its user name",
        }
    }

    /// What to do about it.
    pub(crate) const fn hint(self) -> &'static str {
        match self {
            UserinfoFault::Empty => "write `user:password@`, or leave out the `@`",
            UserinfoFault::At => "write an `@` of the user name or password as `%40`",
            UserinfoFault::Percent => "write a `%` of the user name or password as `%25`",
            UserinfoFault::Control | UserinfoFault::Colon => {
                "it cannot be sent with `Authorization: Basic` (RFC 7617 section 2)"
            }
        }
    }
}

/// Credentials from `user[:password]`, percent-decoded. Without a password it is empty.
pub(crate) fn parse(text: &str) -> Result<Credentials, UserinfoFault> {
    if text.is_empty() {
        return Err(UserinfoFault::Empty);
    }
    if text.contains('@') {
        return Err(UserinfoFault::At);
    }
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let (mut bytes, password) = (decode(user)?, decode(password)?);
    if bytes.contains(&b':') {
        return Err(UserinfoFault::Colon);
    }
    bytes.push(b':');
    bytes.extend_from_slice(&password);
    if bytes.iter().any(u8::is_ascii_control) {
        return Err(UserinfoFault::Control);
    }
    Ok(Credentials::basic(&bytes))
}

fn decode(text: &str) -> Result<Vec<u8>, UserinfoFault> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(UserinfoFault::Percent);
        };
        out.push((high << 4 | low) as u8);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoded_once_and_joined_with_a_colon() {
        for (text, plain) in [
            ("user:secret", "user:secret"),
            ("user", "user:"),
            ("user:", "user:"),
            (":secret", ":secret"),
            ("a%40b:c%3Ad%2525", "a@b:c:d%25"),
            ("u:a:b", "u:a:b"),
            ("müller:ß", "müller:ß"),
        ] {
            assert_eq!(parse(text), Ok(Credentials::basic(plain.as_bytes())), "{text}");
        }
        assert_eq!(parse("u:%ff"), Ok(Credentials::basic(b"u:\xff")));
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        for (text, fault) in [
            ("", UserinfoFault::Empty),
            ("a@b:c", UserinfoFault::At),
            ("a:b%", UserinfoFault::Percent),
            ("a:b%4", UserinfoFault::Percent),
            ("a:%zz", UserinfoFault::Percent),
            ("a%3ab:c", UserinfoFault::Colon),
            ("a:b%0d%0aX: y", UserinfoFault::Control),
            ("a%00", UserinfoFault::Control),
        ] {
            assert_eq!(parse(text), Err(fault), "{text}");
        }
    }
}
