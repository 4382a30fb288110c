//! The request target and the authority as bytes (RFC 9112 §3.2, RFC 3986).
//!
//! Owns percent-encoding and host syntax; knows nothing of headers or bodies.

use std::net::Ipv6Addr;

use crate::error::RequestError;

/// Appends the target of `method`: origin form, or `*` for OPTIONS.
pub fn push_target(
    out: &mut Vec<u8>,
    method: &str,
    prefix: &str,
    path: &str,
) -> Result<(), RequestError> {
    if let Some(offset) = path.bytes().position(|byte| byte.is_ascii_control()) {
        return Err(RequestError::PathControl { offset });
    }
    check_prefix(prefix)?;
    if path == "*" {
        if method != "OPTIONS" {
            return Err(RequestError::AsteriskForm);
        }
        out.push(b'*');
        return Ok(());
    }
    let path = path.split('#').next().unwrap_or("");
    let prefix = match path.bytes().next() {
        Some(b'/') => prefix.strip_suffix('/').unwrap_or(prefix),
        Some(b'?') | None if prefix.is_empty() => "/",
        Some(b'?') | None => prefix,
        Some(_) => return Err(RequestError::PathNotAbsolute),
    };
    push_encoded(out, prefix);
    push_encoded(out, path);
    Ok(())
}

fn check_prefix(prefix: &str) -> Result<(), RequestError> {
    if !prefix.is_empty() && !prefix.starts_with('/') {
        return Err(RequestError::PathPrefix { offset: 0 });
    }
    let wrong = |byte: u8| byte.is_ascii_control() || byte == b'?' || byte == b'#';
    match prefix.bytes().position(wrong) {
        Some(offset) => Err(RequestError::PathPrefix { offset }),
        None => Ok(()),
    }
}

/// A path or query, or a part of one, as [`push_target`] encodes it.
#[must_use]
pub fn encode_path(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    push_encoded(&mut out, text);
    out.into_iter().map(char::from).collect()
}

/// Encodes bytes that are not allowed in a path or query (RFC 3986 §3.3, §3.4). A `%` with two
/// hexadecimal digits counts as encoded already, any other `%` as a character.
fn push_encoded(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let bytes = text.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        let is_encoded = byte == b'%' && is_two_hex_digits(bytes.get(at + 1..at + 3));
        if is_encoded || is_path_or_query_byte(byte) {
            out.push(byte);
        } else {
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            out.extend_from_slice(&[b'%', HEX[high], HEX[low]]);
        }
    }
}

fn is_two_hex_digits(bytes: Option<&[u8]>) -> bool {
    bytes.is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))
}

fn is_unreserved_or_sub_delim(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~')
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';')
        || byte == b'='
}

fn is_path_or_query_byte(byte: u8) -> bool {
    is_unreserved_or_sub_delim(byte) || matches!(byte, b':' | b'@' | b'/' | b'?')
}

/// Appends `host[:port]`: IPv6 literals in brackets, the default port omitted (RFC 9110 §4.2.3).
pub fn push_authority(
    out: &mut Vec<u8>,
    host: &str,
    port: u16,
    is_tls: bool,
) -> Result<(), RequestError> {
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if inner.is_some() || host.contains(':') {
        let literal = inner.unwrap_or(host);
        if literal.parse::<Ipv6Addr>().is_err() {
            return Err(RequestError::Host { offset: 0 });
        }
        out.push(b'[');
        out.extend_from_slice(literal.as_bytes());
        out.push(b']');
    } else {
        check_registered_name(host)?;
        out.extend_from_slice(host.as_bytes());
    }
    if port != if is_tls { 443 } else { 80 } {
        out.push(b':');
        out.extend_from_slice(port.to_string().as_bytes());
    }
    Ok(())
}

/// A non-empty name or IPv4 address (RFC 3986 §3.2.2, RFC 9110 §4.2.1).
fn check_registered_name(host: &str) -> Result<(), RequestError> {
    let bytes = host.as_bytes();
    let wrong = bytes.iter().enumerate().position(|(at, &byte)| {
        let is_encoded = byte == b'%' && is_two_hex_digits(bytes.get(at + 1..at + 3));
        !is_encoded && !is_unreserved_or_sub_delim(byte)
    });
    match wrong {
        Some(offset) => Err(RequestError::Host { offset }),
        None if host.is_empty() => Err(RequestError::Host { offset: 0 }),
        None => Ok(()),
    }
}

/// Offset of the first byte of the caller's `Host` value that is not allowed in an authority without
/// user information (RFC 9110 §7.2). An empty value is allowed.
pub fn wrong_in_host_header(value: &str) -> Option<usize> {
    value.bytes().position(|byte| {
        !is_unreserved_or_sub_delim(byte) && !matches!(byte, b'%' | b':' | b'[' | b']')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(method: &str, prefix: &str, path: &str) -> Result<String, RequestError> {
        let mut out = Vec::new();
        push_target(&mut out, method, prefix, path)?;
        Ok(String::from_utf8(out).unwrap())
    }

    /// RFC 9112 §3.2.1: origin form; empty path is `/`; query kept; fragment dropped.
    #[test]
    fn origin_form() {
        for (prefix, path, expected) in [
            ("", "/", "/"),
            ("", "", "/"),
            ("/", "", "/"),
            ("/", "/a", "/a"),
            ("", "?q=1", "/?q=1"),
            ("", "#top", "/"),
            ("", "/a?b=c&d=%2F#frag?x", "/a?b=c&d=%2F"),
            ("/api", "", "/api"),
            ("/api/", "", "/api/"),
            ("/api", "?q", "/api?q"),
            ("/api/", "/users", "/api/users"),
            ("/api/v1", "/users//x/../y", "/api/v1/users//x/../y"),
        ] {
            assert_eq!(target("GET", prefix, path).as_deref(), Ok(expected), "{prefix} {path}");
        }
    }

    /// RFC 3986 §2.1, §2.4: what must be is percent-encoded, never twice.
    #[test]
    fn percent_encoding_is_done_once() {
        for (path, expected) in [
            ("/a b", "/a%20b"),
            ("/a%20b", "/a%20b"),
            ("/100%", "/100%25"),
            ("/%zz%4", "/%25zz%254"),
            ("/\u{e9}?q=\u{20ac}", "/%C3%A9?q=%E2%82%AC"),
            ("/\"<>\\^`{|}[]", "/%22%3C%3E%5C%5E%60%7B%7C%7D%5B%5D"),
            ("/-._~!$&'()*+,;=:@/?/?", "/-._~!$&'()*+,;=:@/?/?"),
        ] {
            let once = target("GET", "", path);
            assert_eq!(once.as_deref(), Ok(expected), "{path}");
            assert_eq!(target("GET", "", expected).as_deref(), Ok(expected), "{path} again");
        }
    }

    /// RFC 9112 §3.2.4: asterisk form; §2.2: no control characters.
    #[test]
    fn refused_targets() {
        assert_eq!(target("OPTIONS", "/api", "*").as_deref(), Ok("*"));
        assert_eq!(target("GET", "", "*"), Err(RequestError::AsteriskForm));
        assert_eq!(target("GET", "", "users"), Err(RequestError::PathNotAbsolute));
        assert_eq!(target("GET", "", "http://h/"), Err(RequestError::PathNotAbsolute));
        for control in ["\r", "\n", "\0", "\t", "\x7f"] {
            let path = format!("/a{control}b");
            assert_eq!(target("GET", "", &path), Err(RequestError::PathControl { offset: 2 }));
            let hidden = format!("/#{control}");
            assert_eq!(target("GET", "", &hidden), Err(RequestError::PathControl { offset: 2 }));
        }
        assert_eq!(target("GET", "api", "/"), Err(RequestError::PathPrefix { offset: 0 }));
        assert_eq!(target("GET", "/api?x", "/"), Err(RequestError::PathPrefix { offset: 4 }));
        assert_eq!(target("GET", "/a\n", "/"), Err(RequestError::PathPrefix { offset: 2 }));
    }

    fn authority(host: &str, port: u16, is_tls: bool) -> Result<String, RequestError> {
        let mut out = Vec::new();
        push_authority(&mut out, host, port, is_tls)?;
        Ok(String::from_utf8(out).unwrap())
    }

    /// RFC 9110 §4.2, §7.2: default port omitted, IPv6 in brackets, no user information.
    #[test]
    fn authorities() {
        for (host, port, is_tls, expected) in [
            ("example.com", 80, false, "example.com"),
            ("example.com", 443, true, "example.com"),
            ("example.com", 443, false, "example.com:443"),
            ("example.com", 80, true, "example.com:80"),
            ("127.0.0.1", 8080, false, "127.0.0.1:8080"),
            ("::1", 80, false, "[::1]"),
            ("[::1]", 8080, false, "[::1]:8080"),
            ("2001:db8::7", 443, true, "[2001:db8::7]"),
        ] {
            assert_eq!(authority(host, port, is_tls).as_deref(), Ok(expected));
        }
        for (host, offset) in [
            ("", 0),
            ("user@host", 4),
            ("fe80::1%eth0", 0),
            ("[::1", 0),
            ("a:b", 0),
            ("a b", 1),
            ("h/x", 1),
            ("h\r\nX: y", 0),
            ("b\u{fc}cher.example", 1),
        ] {
            assert_eq!(authority(host, 80, false), Err(RequestError::Host { offset }), "{host:?}");
        }
    }
}
