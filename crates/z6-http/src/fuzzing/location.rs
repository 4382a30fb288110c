//! Resolving a `Location`, compared with RFC 3986 taken at its word: the expression of appendix B, and the
//! algorithm of section 5.2.4 with its two buffers. Independent of `redirect` on purpose.

use crate::{LOCATION_BYTES_MAX, LocationError, Origin, Place};

/// The parts of a reference (RFC 3986 appendix B); the fragment is dropped.
struct Reference<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Reference<'a> {
    fn split(text: &'a str) -> Reference<'a> {
        let text = text.find('#').map_or(text, |at| &text[..at]);
        let is_scheme = |scheme: &str| {
            scheme.starts_with(|first: char| first.is_ascii_alphabetic())
                && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        };
        let colon = text.find(':').filter(|at| is_scheme(&text[..*at]));
        let (scheme, text) = match colon {
            Some(at) => (Some(&text[..at]), &text[at + 1..]),
            None => (None, text),
        };
        let (text, query) = match text.find('?') {
            Some(at) => (&text[..at], Some(&text[at + 1..])),
            None => (text, None),
        };
        let (authority, path) = match text.strip_prefix("//") {
            Some(rest) => {
                let end = rest.find('/').unwrap_or(rest.len());
                (Some(&rest[..end]), &rest[end..])
            }
            None => (None, text),
        };
        Reference { scheme, authority, path, query }
    }
}

/// RFC 3986 section 5.2.4, step by step.
fn remove_dot_segments(path: &str) -> String {
    let (mut input, mut output) = (path.to_owned(), String::new());
    while !input.is_empty() {
        if input.starts_with("../") {
            input.replace_range(..3, "");
        } else if input.starts_with("./") || input.starts_with("/./") {
            input.replace_range(..2, "");
        } else if input == "/." {
            input = "/".to_owned();
        } else if input.starts_with("/../") || input == "/.." {
            input = format!("/{}", input.get(4..).unwrap_or(""));
            output.truncate(output.rfind('/').unwrap_or(0));
        } else if input == "." || input == ".." {
            input.clear();
        } else {
            let end = input[1..].find('/').map_or(input.len(), |at| at + 1);
            output.push_str(&input[..end]);
            input.replace_range(..end, "");
        }
    }
    output
}

/// Path and query of a reference without scheme and authority (section 5.2.2).
fn resolved(base: &str, reference: &Reference<'_>) -> String {
    let base = Reference { scheme: None, authority: None, ..path_and_query(base) };
    let (path, query) = if reference.authority.is_some() || reference.scheme.is_some() {
        (remove_dot_segments(reference.path), reference.query)
    } else if reference.path.is_empty() {
        (base.path.to_owned(), reference.query.or(base.query))
    } else if reference.path.starts_with('/') {
        (remove_dot_segments(reference.path), reference.query)
    } else {
        let end = base.path.rfind('/').map_or(0, |at| at + 1);
        (remove_dot_segments(&format!("{}{}", &base.path[..end], reference.path)), reference.query)
    };
    let path = if path.is_empty() { "/".to_owned() } else { path };
    query.map_or(path.clone(), |query| format!("{path}?{query}"))
}

fn path_and_query(text: &str) -> Reference<'_> {
    let (path, query) = match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    };
    Reference { scheme: None, authority: None, path, query }
}

/// Resolves the rest of the bytes against the path on the first line.
pub(super) fn against_rfc(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let location = data.get(end + 1..).unwrap_or_default();
    let is_path = |byte: &u8| byte.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(byte);
    let base: Vec<u8> = data[..end].iter().copied().filter(is_path).collect();
    let base = format!("/{}", String::from_utf8_lossy(&base));
    let from = Place { origin: Origin::new(true, "From.example", 8443), path: base.clone() };
    let place = match from.resolve(location) {
        Ok(place) => place,
        Err(LocationError::TooLong) => return assert!(location.len() > LOCATION_BYTES_MAX),
        Err(_) => return,
    };
    assert!(location.len() <= LOCATION_BYTES_MAX && !location.is_empty());
    assert!(place.path.starts_with('/'), "{place:?}");
    let is_sent = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    assert!(place.path.bytes().all(is_sent), "{place:?}");
    assert!(place.origin.port > 0 && !place.origin.host.is_empty(), "{place:?}");
    // What comes out is a URL, which stands for itself.
    let url = format!("{}{}", place.origin, place.path);
    if url.len() <= LOCATION_BYTES_MAX {
        assert_eq!(from.resolve(url.as_bytes()), Ok(place.clone()), "{url}");
    }
    // Only what needs no encoding can be compared.
    let Some(text) = std::str::from_utf8(location)
        .ok()
        .filter(|text| text.bytes().all(|b| is_path(&b) || b == b'#'))
    else {
        return;
    };
    let reference = Reference::split(text);
    assert_eq!(place.path, resolved(&base, &reference), "{text} from {base}");
    match reference.authority {
        None => assert_eq!(place.origin, from.origin),
        Some(authority) => {
            let is_tls = reference.scheme.is_none_or(|scheme| scheme.len() == "https".len());
            assert_eq!(place.origin.is_tls, is_tls, "{text}");
            let host = authority.trim_start_matches('[').to_ascii_lowercase();
            let first = place.origin.host.split(':').next().unwrap_or_default();
            let is_name = !place.origin.host.contains(':');
            assert!(!is_name || host.starts_with(first), "{text}: {:?}", place.origin);
        }
    }
}
