//! How a target is reached, in addition to its base URL: credentials, and another place to connect to.
//!
//! Knows nothing of TOML, sockets or names on the network.

use std::fmt;
use std::net::IpAddr;

use crate::model::Host;

/// The value of an `Authorization` field, made from the user information of a base URL
/// (RFC 7617). `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    value: String,
}

impl Credentials {
    pub(crate) fn basic(user_colon_password: &[u8]) -> Credentials {
        Credentials { value: format!("Basic {}", base64(user_colon_password)) }
    }

    /// `Basic` and the encoded user name and password.
    #[must_use]
    pub fn authorization(&self) -> &str {
        &self.value
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// Where connections of a target go. What is sent stays the same: `Host`, SNI and the name that a
/// certificate is checked against are the base URL's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ConnectTo {
    /// To the base URL's host and port.
    #[default]
    BaseUrl,
    /// `resolve`: to these addresses instead of the base URL's host name, at its port.
    Addresses(Vec<IpAddr>),
    /// `connect_to`: to another host and port.
    Host {
        /// The host to connect to.
        host: Host,
        /// The port to connect to.
        port: u16,
    },
    /// `unix:/path` as `connect_to` or as base URL: to a socket of the file system.
    Unix(String),
}

/// `proxy`: connections of a target go through a proxy, if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Where to; none if the environment names no proxy for this target, or was not asked, as in a replay.
    pub via: Option<ProxyServer>,
}

/// An HTTP proxy. Displayed without its credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyServer {
    /// The host to connect to.
    pub host: Host,
    /// The port to connect to.
    pub port: u16,
    /// What it is sent as `Proxy-Authorization`.
    pub credentials: Option<Credentials>,
}

impl fmt::Display for ProxyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port;
        match &self.host {
            Host::Name(name) => write!(f, "http://{name}:{port}"),
            Host::V4(address) => write!(f, "http://{address}:{port}"),
            Host::V6(address) => write!(f, "http://[{address}]:{port}"),
        }
    }
}

/// A URL without its user information, for showing: `http://user:secret@host/` becomes
/// `http://host/`.
///
/// ```
/// assert_eq!(z6_scenario::without_userinfo("http://a:b@h/c@d"), "http://h/c@d");
/// ```
#[must_use]
pub fn without_userinfo(url: &str) -> String {
    match userinfo_range(url) {
        Some(range) => format!("{}{}", &url[..range.start], &url[range.end + 1..]),
        None => url.to_owned(),
    }
}

/// The range of the user information of the first URL in `text`, without its `@`: up to the last
/// `@` before the authority ends.
pub(crate) fn userinfo_range(text: &str) -> Option<std::ops::Range<usize>> {
    let start = text.find("://")? + "://".len();
    let ends = |c: char| matches!(c, '/' | '?' | '#' | '"' | '\'') || c.is_whitespace();
    let authority = &text[start..];
    let authority = &authority[..authority.find(ends).unwrap_or(authority.len())];
    authority.rfind('@').map(|at| start..start + at)
}

/// RFC 4648 section 4, with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = (group >> (18 - 6 * place)) & 63;
            let is_padding = place > chunk.len();
            out.push(if is_padding { '=' } else { char::from(ALPHABET[digit as usize]) });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_in_rfc_4648_section_10() {
        for (text, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
        assert_eq!(base64(&[0xff, 0xfe, 0xfd]), "//79");
    }

    #[test]
    fn credentials_are_not_shown() {
        let credentials = Credentials::basic(b"Aladdin:open sesame");
        assert_eq!(credentials.authorization(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(format!("{credentials:?}"), "Credentials(..)");
        for (url, shown) in [
            ("http://a:b@h:1/p?q=x@y", "http://h:1/p?q=x@y"),
            ("http://a@b@h", "http://h"),
            ("http://h/a@b", "http://h/a@b"),
            ("builtin", "builtin"),
        ] {
            assert_eq!(without_userinfo(url), shown);
        }
    }
}
