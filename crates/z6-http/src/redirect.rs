//! Where a redirect leads, and what is sent there (RFC 9110 §15.4, §10.2.2; RFC 3986 §5).
//!
//! Owns which responses are redirects, their `Location`, reference resolution, and the rules for method
//! and fields. Knows nothing of targets or connections: the caller decides whether to follow.

use crate::canary::is_planted;
use std::fmt;
use std::net::Ipv6Addr;

use thiserror::Error;

/// The longest `Location` that is followed, bytes: 8 KiB.
pub const LOCATION_BYTES_MAX: usize = 8 * 1024;

/// Whether a client follows a response with this status automatically (RFC 9110 §15.4). 300 leaves the
/// choice to the user, 304 and 305 are not redirects in this sense, 306 is unused.
pub const fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Whether the next request is a GET without a body (RFC 9110 §15.4.2 to §15.4.4): after a 303 unless
/// the method is GET or HEAD, after a 301 or 302 if it is POST.
pub fn rewrites_to_get(status: u16, method: &str) -> bool {
    match status {
        303 => method != "GET" && method != "HEAD",
        301 | 302 => method == "POST",
        _ => false,
    }
}

/// Whether a field describes the body: it is dropped with it (RFC 9110 §15.4, §8.3 to §8.8).
pub fn is_describing_field(name: &str) -> bool {
    const NAMES: [&str; 8] = [
        "content-length",
        "content-type",
        "content-encoding",
        "content-language",
        "content-location",
        "content-digest",
        "digest",
        "last-modified",
    ];
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether a field is meant for one origin only (RFC 9110 §15.4): it is not sent to another one.
pub fn is_secret_field(name: &str) -> bool {
    let names = ["authorization", "proxy-authorization", "cookie", "host"];
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// The `Location` fields of one response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location {
    value: Vec<u8>,
    fields: u32,
}

impl Location {
    /// The value; `None` without a field, or if several fields differ.
    pub fn value(&self) -> Option<&[u8]> {
        (self.fields == 1).then_some(&self.value[..])
    }

    /// Whether there is a field at all. Without one, the response is an ordinary response.
    pub fn is_there(&self) -> bool {
        self.fields > 0
    }

    /// Removes the fields of an earlier response.
    pub fn clear(&mut self) {
        self.fields = 0;
        self.value.clear();
    }

    /// Adds the value of one `Location` field.
    pub fn add(&mut self, value: &[u8]) {
        if self.fields == 0 {
            self.value.extend_from_slice(value);
            self.fields = 1;
        } else if self.value != value {
            self.fields = 2;
        }
    }
}

/// Why a `Location` cannot be followed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum LocationError {
    /// Longer than [`LOCATION_BYTES_MAX`].
    #[error("Location longer than {LOCATION_BYTES_MAX} bytes")]
    TooLong,
    /// Empty, or with control characters.
    #[error("Location is no reference")]
    NotAReference,
    /// A scheme other than http and https.
    #[error("Location is neither http nor https")]
    Scheme,
    /// An authority with user information, without a host, or with an invalid host or port.
    #[error("Location has no usable host")]
    Authority,
}

/// Scheme, host and port of a URL (RFC 9110 §4.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The scheme is https.
    pub is_tls: bool,
    /// Name or address in lower case; an IPv6 address without brackets, in its canonical form.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Origin {
    /// An origin in its canonical form. `host` is a name or an address; IPv6 addresses may have
    /// brackets.
    pub fn new(is_tls: bool, host: &str, port: u16) -> Origin {
        let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let host = match literal.unwrap_or(host).parse::<Ipv6Addr>() {
            Ok(address) => address.to_string(),
            Err(_) => host.to_ascii_lowercase(),
        };
        Origin { is_tls, host, port }
    }
}

impl fmt::Display for Origin {
    /// `https://name:8443`, without the port if it is the usual one of the scheme.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, usual) = if self.is_tls { ("https", 443) } else { ("http", 80) };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{}{close}", self.host)?;
        if self.port == usual { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// A URL without its fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Scheme, host, port.
    pub origin: Origin,
    /// Path and query; the path begins with `/`.
    pub path: String,
}

impl Place {
    /// Resolves the reference `location` against this URL (RFC 3986 §5.2).
    ///
    /// ```
    /// use z6_http::{Origin, Place};
    ///
    /// let from = Place { origin: Origin::new(false, "h", 8080), path: "/a/b?c".to_owned() };
    /// assert_eq!(from.resolve(b"../d?e#f")?.path, "/d?e");
    /// let to = from.resolve(b"HTTPS://Other")?;
    /// assert_eq!((to.origin, to.path.as_str()), (Origin::new(true, "other", 443), "/"));
    /// # Ok::<(), z6_http::LocationError>(())
    /// ```
    ///
    /// # Errors
    /// [`LocationError`]; an invalid reference is never repaired.
    pub fn resolve(&self, location: &[u8]) -> Result<Place, LocationError> {
        if location.len() > LOCATION_BYTES_MAX {
            return Err(LocationError::TooLong);
        }
        let text = encode(location)?;
        let text = text.split('#').next().unwrap_or("");
        let (rest, is_tls) = match split_scheme(text) {
            Some((scheme, rest)) => (rest, Some(is_tls(scheme)?)),
            None => (text, None),
        };
        if let Some(rest) = rest.strip_prefix("//") {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let origin = authority(&rest[..end], is_tls.unwrap_or(self.origin.is_tls))?;
            return Ok(Place { origin, path: absolute(&rest[end..]) });
        }
        if is_tls.is_some() {
            // `http:path` is no http URL (RFC 9110 section 4.2.1).
            return Err(LocationError::Authority);
        }
        Ok(Place { origin: self.origin.clone(), path: self.relative(rest) })
    }

    /// RFC 3986 §5.2.2 without scheme and authority.
    fn relative(&self, reference: &str) -> String {
        let (base_path, base_query) = match self.path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.path.as_str(), None),
        };
        let (path, query) = match reference.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (reference, None),
        };
        let (path, query) = if path.is_empty() {
            (base_path.to_owned(), query.or(base_query))
        } else if path.starts_with('/') {
            (remove_dots(path), query)
        } else {
            let directory = base_path.rfind('/').map_or("/", |at| &base_path[..=at]);
            (remove_dots(&format!("{directory}{path}")), query)
        };
        match query {
            Some(query) => format!("{path}?{query}"),
            None => path,
        }
    }
}

/// Percent-encodes bytes that are not allowed in a URL, and never twice.
fn encode(location: &[u8]) -> Result<String, LocationError> {
    if location.is_empty() || location.iter().any(u8::is_ascii_control) {
        return Err(LocationError::NotAReference);
    }
    let mut text = String::with_capacity(location.len());
    for byte in location {
        let must_be_encoded = !byte.is_ascii()
            || matches!(byte, b' ' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}');
        if must_be_encoded {
            text.push_str(&format!("%{byte:02X}"));
        } else {
            text.push(char::from(*byte));
        }
    }
    Ok(text)
}

/// A scheme (RFC 3986 §3.1) and what follows its colon.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some((scheme, rest))
}

fn is_tls(scheme: &str) -> Result<bool, LocationError> {
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Ok(false),
        "https" => Ok(true),
        _ => Err(LocationError::Scheme),
    }
}

fn authority(text: &str, is_tls: bool) -> Result<Origin, LocationError> {
    let wrong = LocationError::Authority;
    let (host, port) = match text.rfind(']') {
        Some(end) => (&text[..=end], text[end + 1..].strip_prefix(':')),
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let has_rest = text.ends_with(|last: char| last != ']') && port.is_none() && text.contains(']');
    let port = match port {
        None | Some("") => {
            if is_tls {
                443
            } else {
                80
            }
        }
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().map_err(|_| wrong)?
        }
        Some(_) => return Err(wrong),
    };
    let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_host = match literal {
        Some(literal) => literal.parse::<Ipv6Addr>().is_ok(),
        None => {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            !host.is_empty() && host.bytes().all(allowed)
        }
    };
    if !is_host || has_rest || port == 0 {
        return Err(wrong);
    }
    Ok(Origin::new(is_tls, host, port))
}

/// Path and query behind an authority.
fn absolute(text: &str) -> String {
    let (path, query) = match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    };
    let path = if path.is_empty() { "/".to_owned() } else { remove_dots(path) };
    match query {
        Some(query) => format!("{path}?{query}"),
        None => path,
    }
}

/// RFC 3986 §5.2.4, of a path that begins with `/`.
fn remove_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." if is_last && !is_planted("location") => kept.push(""),
            "." => {}
            ".." => {
                kept.pop();
                if is_last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &str) -> Place {
        Place { origin: Origin::new(false, "a", 80), path: path.to_owned() }
    }

    fn url(place: &Place) -> String {
        let Origin { is_tls, host, port } = &place.origin;
        format!("{}://{host}:{port}{}", if *is_tls { "https" } else { "http" }, place.path)
    }

    #[test]
    fn the_examples_of_rfc_3986_section_5_4() {
        let base = place("/b/c/d;p?q");
        for (reference, path) in [
            ("g", "/b/c/g"),
            ("./g", "/b/c/g"),
            ("g/", "/b/c/g/"),
            ("/g", "/g"),
            ("?y", "/b/c/d;p?y"),
            ("g?y", "/b/c/g?y"),
            ("#s", "/b/c/d;p?q"),
            ("g#s", "/b/c/g"),
            ("g?y#s", "/b/c/g?y"),
            (";x", "/b/c/;x"),
            ("g;x", "/b/c/g;x"),
            (".", "/b/c/"),
            ("./", "/b/c/"),
            ("..", "/b/"),
            ("../", "/b/"),
            ("../g", "/b/g"),
            ("../..", "/"),
            ("../../", "/"),
            ("../../g", "/g"),
            ("../../../g", "/g"),
            ("../../../../g", "/g"),
            ("/./g", "/g"),
            ("/../g", "/g"),
            ("g.", "/b/c/g."),
            (".g", "/b/c/.g"),
            ("g..", "/b/c/g.."),
            ("..g", "/b/c/..g"),
            ("./../g", "/b/g"),
            ("./g/.", "/b/c/g/"),
            ("g/./h", "/b/c/g/h"),
            ("g/../h", "/b/c/h"),
            ("g;x=1/./y", "/b/c/g;x=1/y"),
            ("g;x=1/../y", "/b/c/y"),
            ("g?y/./x", "/b/c/g?y/./x"),
            ("g?y/../x", "/b/c/g?y/../x"),
        ] {
            let to = base.resolve(reference.as_bytes());
            assert_eq!(to.as_ref().map(|to| to.path.as_str()), Ok(path), "{reference}");
            assert_eq!(to.map(|to| to.origin), Ok(base.origin.clone()), "{reference}");
        }
    }

    #[test]
    fn origins_are_compared_in_one_form() {
        let base = place("/x");
        for (reference, to) in [
            ("http://B.Example", "http://b.example:80/"),
            ("https://b?q", "https://b:443/?q"),
            ("//b:81/y", "http://b:81/y"),
            ("HTTP://[0:0::1]:8080/a/../b", "http://::1:8080/b"),
            ("http://b:/", "http://b:80/"),
            ("http://1.2.3.4:65535/%20", "http://1.2.3.4:65535/%20"),
            ("/a b\u{e9}\"", "http://a:80/a%20b%C3%A9%22"),
        ] {
            let resolved = base.resolve(reference.as_bytes());
            assert_eq!(resolved.as_ref().map(url), Ok(to.to_owned()), "{reference}");
        }
    }

    #[test]
    fn what_leads_nowhere_is_refused() {
        use LocationError as E;
        let base = place("/x");
        let long = format!("/{}", "a".repeat(LOCATION_BYTES_MAX));
        for (reference, error) in [
            ("", E::NotAReference),
            ("/a\tb", E::NotAReference),
            ("/a\0b", E::NotAReference),
            ("ftp://b/", E::Scheme),
            ("javascript:alert(1)", E::Scheme),
            ("http:b", E::Authority),
            ("http:/b", E::Authority),
            ("http://", E::Authority),
            ("http:///b", E::Authority),
            ("http://user@b/", E::Authority),
            ("http://user:secret@b/", E::Authority),
            ("http://b:0/", E::Authority),
            ("http://b:65536/", E::Authority),
            ("http://b:8x/", E::Authority),
            ("http://[::1/", E::Authority),
            ("http://[::1]x/", E::Authority),
            ("http://[::g]/", E::Authority),
            ("http://a%20b/", E::Authority),
            ("//", E::Authority),
            (long.as_str(), E::TooLong),
        ] {
            assert_eq!(base.resolve(reference.as_bytes()), Err(error), "{reference:?}");
        }
    }

    #[test]
    fn methods_as_rfc_9110_section_15_4_says() {
        for (status, method, rewritten) in [
            (301, "POST", true),
            (302, "POST", true),
            (303, "POST", true),
            (303, "PUT", true),
            (303, "DELETE", true),
            (303, "HEAD", false),
            (303, "GET", false),
            (301, "PUT", false),
            (302, "GET", false),
            (307, "POST", false),
            (308, "POST", false),
        ] {
            assert_eq!(rewrites_to_get(status, method), rewritten, "{status} {method}");
        }
        let redirects: Vec<u16> = (100..600).filter(|status| is_redirect(*status)).collect();
        assert_eq!(redirects, [301, 302, 303, 307, 308]);
    }
}
