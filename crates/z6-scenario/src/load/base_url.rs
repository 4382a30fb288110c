//! Parses base URLs strictly: anything that is not clearly one http(s) authority and a path is
//! rejected.
//! Source: RFC 3986 section 3, RFC 9110 section 4.2. Knows no keys.

use std::net::{Ipv4Addr, Ipv6Addr};
use z6_events::canary::is_planted;

use super::userinfo::{self, UserinfoFault};
use crate::model::{BaseUrl, Host, Scheme};
use crate::reach::without_userinfo;

/// The path of a socket, without the byte that ends it (`sun_path` of Linux, 108 with it).
const MAX_UNIX_PATH_BYTES: usize = 107;

/// Why a text is not a base URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum UrlFault {
    Character(char),
    NoScheme,
    Scheme(String),
    Query,
    Fragment,
    Userinfo(UserinfoFault),
    UnixPath,
    NoHost,
    Host(String),
    ZoneId,
    Ipv6(String),
    BareIpv6,
    Ipv4(String),
    Port(String),
    PortZero,
}

impl UrlFault {
    /// What is wrong, after "the base URL ".
    pub(crate) fn message(&self) -> String {
        match self {
            UrlFault::Character(character) => {
                format!("contains the character {character:?}")
            }
            UrlFault::NoScheme => "has no scheme".to_owned(),
            UrlFault::Scheme(scheme) => format!("has the unknown scheme `{scheme}`"),
            UrlFault::Query => "has a query".to_owned(),
            UrlFault::Fragment => "has a fragment".to_owned(),
            UrlFault::Userinfo(fault) => fault.message().to_owned(),
            UrlFault::UnixPath => "is not the path of a socket".to_owned(),
            UrlFault::NoHost => "has no host".to_owned(),
            UrlFault::Host(host) => format!("has `{host}`, which is not a host name"),
            UrlFault::ZoneId => "has an IPv6 zone id".to_owned(),
            UrlFault::Ipv6(host) => format!("has `[{host}]`, which is not an IPv6 address"),
            UrlFault::BareIpv6 => "has more than one colon in its host".to_owned(),
            UrlFault::Ipv4(host) => format!("has `{host}`, which is not an IPv4 address"),
            UrlFault::Port(port) => format!("has the invalid port `{port}`"),
            UrlFault::PortZero => "has port 0".to_owned(),
        }
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            UrlFault::Character(_) => "percent-encode it, or remove it",
            UrlFault::NoScheme | UrlFault::Scheme(_) => {
                "write `http://host:port`, `https://host:port`, `unix:/path` or `builtin`"
            }
            UrlFault::Query => "write the query in the `path` of each request",
            UrlFault::Fragment => "remove it: a fragment is never sent",
            UrlFault::Userinfo(fault) => fault.hint(),
            UrlFault::UnixPath => "write a path from `/` on, of at most 107 bytes",
            UrlFault::NoHost => "write the host after `//`",
            UrlFault::Host(_) => "use letters, digits, `-` and `.`",
            UrlFault::ZoneId => "use an address that needs no zone, or `source_addresses`",
            UrlFault::Ipv6(_) | UrlFault::BareIpv6 => "write an IPv6 address as `[::1]`",
            UrlFault::Ipv4(_) => "write four decimal numbers, 0 to 255, with dots between",
            UrlFault::Port(_) => "a port is a number from 1 to 65535",
            UrlFault::PortZero => "a port is a number from 1 to 65535",
        }
    }
}

/// Takes a base URL apart.
pub(crate) fn parse(text: &str) -> Result<BaseUrl, UrlFault> {
    if text == "builtin" {
        return Ok(without_path(Scheme::Builtin, Host::V4(Ipv4Addr::LOCALHOST), 0, text));
    }
    if let Some(path) = unix_path(text) {
        path?;
        return Ok(without_path(Scheme::Http, Host::Name("localhost".to_owned()), 80, text));
    }
    let forbidden =
        |c: &char| c.is_control() || c.is_whitespace() || matches!(c, '\\' | '"' | '<' | '>');
    if let Some(character) = text.chars().find(forbidden) {
        return Err(UrlFault::Character(character));
    }
    let (scheme, rest) = text.split_once("://").ok_or(UrlFault::NoScheme)?;
    let (scheme, default_port) = match scheme.to_ascii_lowercase().as_str() {
        "http" => (Scheme::Http, 80),
        "https" => (Scheme::Https, 443),
        _ => return Err(UrlFault::Scheme(scheme.to_owned())),
    };
    if rest.contains('#') {
        return Err(UrlFault::Fragment);
    }
    if rest.contains('?') {
        return Err(UrlFault::Query);
    }
    let slash = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(slash);
    let (credentials, authority) = match authority.rsplit_once('@') {
        Some((userinfo, authority)) => {
            (Some(userinfo::parse(userinfo).map_err(UrlFault::Userinfo)?), authority)
        }
        None => (None, authority),
    };
    let (host, port) = parse_authority(authority, default_port)?;
    let path_prefix = path.trim_end_matches('/').to_owned();
    Ok(BaseUrl { scheme, host, port, path_prefix, credentials, text: without_userinfo(text) })
}

/// The path of `unix:/path`; none if the text does not begin that way.
pub(crate) fn unix_path(text: &str) -> Option<Result<&str, UrlFault>> {
    let path = text.strip_prefix("unix:")?;
    let fits = path.starts_with('/')
        && path.len() <= MAX_UNIX_PATH_BYTES
        && !path.ends_with('/')
        && !path.chars().any(char::is_control);
    Some(if fits { Ok(path) } else { Err(UrlFault::UnixPath) })
}

fn without_path(scheme: Scheme, host: Host, port: u16, text: &str) -> BaseUrl {
    let (path_prefix, credentials) = (String::new(), None);
    BaseUrl { scheme, host, port, path_prefix, credentials, text: text.to_owned() }
}

/// `host` or `host:port`, without user information.
pub(crate) fn parse_authority(text: &str, default_port: u16) -> Result<(Host, u16), UrlFault> {
    let (host, port) = split_authority(text)?;
    let port = match port {
        Some(port) => parse_port(port)?,
        None => default_port,
    };
    Ok((host, port))
}

fn split_authority(authority: &str) -> Result<(Host, Option<&str>), UrlFault> {
    if let Some(bracketed) = authority.strip_prefix('[') {
        let (inside, after) =
            bracketed.split_once(']').ok_or_else(|| UrlFault::Ipv6(bracketed.to_owned()))?;
        if inside.contains('%') {
            return Err(UrlFault::ZoneId);
        }
        let address: Ipv6Addr = inside.parse().map_err(|_| UrlFault::Ipv6(inside.to_owned()))?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((Host::V6(address), Some(port))),
            None if after.is_empty() => Ok((Host::V6(address), None)),
            None => Err(UrlFault::Port(after.to_owned())),
        };
    }
    let (host, port) = match authority.split_once(':') {
        Some((_, port)) if port.contains(':') => return Err(UrlFault::BareIpv6),
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    Ok((parse_host(host)?, port))
}

fn parse_host(text: &str) -> Result<Host, UrlFault> {
    if text.is_empty() {
        return Err(UrlFault::NoHost);
    }
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        let address = text.parse().map_err(|_| UrlFault::Ipv4(text.to_owned()))?;
        return Ok(Host::V4(address));
    }
    let wrong = || UrlFault::Host(text.to_owned());
    if text.contains('%') {
        return Err(wrong());
    }
    // The URL standard's rules bring names in other scripts into their ASCII form.
    match url::Host::parse(text) {
        Ok(url::Host::Domain(name)) if is_host_name(&name) => Ok(Host::Name(name)),
        _ => Err(wrong()),
    }
}

/// Letters, digits, `-` and `_` in labels of 1 to 63 (RFC 1123 section 2.1; `_` occurs in practice).
pub(crate) fn is_host_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(allowed);
    (1..=253).contains(&name.len()) && name.split('.').all(label)
}

fn parse_port(text: &str) -> Result<u16, UrlFault> {
    let wrong = || UrlFault::Port(text.to_owned());
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    match text.parse::<u16>() {
        Ok(0) if !is_planted("base_url") => Err(UrlFault::PortZero),
        Ok(port) => Ok(port),
        Err(_) => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(text: &str) -> (Scheme, Host, u16, String) {
        let url = parse(text).unwrap_or_else(|fault| panic!("{text}: {}", fault.message()));
        assert_eq!(url.text, text);
        (url.scheme, url.host, url.port, url.path_prefix)
    }

    /// RFC 9110 §4.2, RFC 3986 §3.2.2: IPv6 literals in brackets.
    #[test]
    fn accepted_forms() {
        use Scheme::{Builtin, Http, Https};
        let name = |name: &str| Host::Name(name.to_owned());
        let local = Host::V4(Ipv4Addr::LOCALHOST);
        let six = Host::V6(Ipv6Addr::LOCALHOST);
        for (text, scheme, host, port, prefix) in [
            ("http://localhost:8080", Http, name("localhost"), 8080, ""),
            ("HTTP://LocalHost", Http, name("localhost"), 80, ""),
            ("https://example.com/", Https, name("example.com"), 443, ""),
            ("http://127.0.0.1:8080/api/v1/", Http, local.clone(), 8080, "/api/v1"),
            ("http://[::1]:81/a%20b", Http, six.clone(), 81, "/a%20b"),
            ("http://[::1]", Http, six, 80, ""),
            ("http://my_service.internal.", Http, name("my_service.internal."), 80, ""),
            ("http://bücher.example", Http, name("xn--bcher-kva.example"), 80, ""),
            ("builtin", Builtin, local, 0, ""),
            ("unix:/run/app.sock", Http, name("localhost"), 80, ""),
        ] {
            assert_eq!(parts(text), (scheme, host, port, prefix.to_owned()), "{text}");
        }
    }

    /// RFC 9110 §4.2, §4.2.4, §11.7.1.
    #[test]
    fn user_information_becomes_credentials_and_leaves_the_text() {
        let url = parse("http://us%65r:p%40ss@[::1]:81/a@b").unwrap();
        let authorization = url.credentials.as_ref().map(|c| c.authorization().to_owned());
        assert_eq!(authorization.as_deref(), Some("Basic dXNlcjpwQHNz"));
        assert_eq!((url.text.as_str(), url.port), ("http://[::1]:81/a@b", 81));
        assert_eq!((url.host, url.path_prefix.as_str()), (Host::V6(Ipv6Addr::LOCALHOST), "/a@b"));
    }

    /// RFC 9110 §4.2: no zone ids, no broken user information.
    #[test]
    fn refused_forms() {
        use UrlFault as F;
        for (text, fault) in [
            ("", F::NoScheme),
            ("localhost:8080", F::NoScheme),
            ("http:/localhost", F::NoScheme),
            ("Builtin", F::NoScheme),
            ("ftp://h", F::Scheme("ftp".to_owned())),
            ("http://", F::NoHost),
            ("http:///path", F::NoHost),
            ("http://:80", F::NoHost),
            ("http://h?x=1", F::Query),
            ("http://h/#top", F::Fragment),
            ("http://@h", F::Userinfo(UserinfoFault::Empty)),
            ("http://user:se@cret@h", F::Userinfo(UserinfoFault::At)),
            ("http://user%3a:secret@h", F::Userinfo(UserinfoFault::Colon)),
            ("http://user:secret%@h", F::Userinfo(UserinfoFault::Percent)),
            ("http://user:secret%0a@h", F::Userinfo(UserinfoFault::Control)),
            ("http://user:secret@", F::NoHost),
            ("unix:relative.sock", F::UnixPath),
            ("unix:/", F::UnixPath),
            ("unix://run/x/", F::UnixPath),
            ("http://[fe80::1%25eth0]", F::ZoneId),
            ("http://[fe80::1%eth0]", F::ZoneId),
            ("http://[::g]", F::Ipv6("::g".to_owned())),
            ("http://[::1", F::Ipv6("::1".to_owned())),
            ("http://::1:80", F::BareIpv6),
            ("http://[::1]80", F::Port("80".to_owned())),
            ("http://1.2.3", F::Ipv4("1.2.3".to_owned())),
            ("http://1.2.3.256", F::Ipv4("1.2.3.256".to_owned())),
            ("http://0x7f.1", F::Host("0x7f.1".to_owned())),
            ("http://a..b", F::Host("a..b".to_owned())),
            ("http://a%2eb", F::Host("a%2eb".to_owned())),
            ("http://h:", F::Port(String::new())),
            ("http://h:0", F::PortZero),
            ("http://h:65536", F::Port("65536".to_owned())),
            ("http://h:+80", F::Port("+80".to_owned())),
            ("http://h/a b", F::Character(' ')),
            ("http://h\r\nX: y", F::Character('\r')),
            ("http://h\\x", F::Character('\\')),
        ] {
            assert_eq!(parse(text), Err(fault), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "(https?://)?\\PC{0,40}") {
            if let Ok(url) = parse(&text) {
                prop_assert!(!url.path_prefix.ends_with('/'));
                prop_assert!(!url.authority(url.port).contains(['/', '@', '\r', '\n', ' ']));
            }
        }
    }
}
