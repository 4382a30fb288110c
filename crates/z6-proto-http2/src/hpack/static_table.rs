//! The static table (RFC 7541 appendix A).
//!
//! Owns its 61 entries and what they mean.

use crate::meaning::{FieldFault, Meaning, NameKind, RequestPseudo};

/// Entries of the static table; the dynamic table begins behind them.
pub(crate) const STATIC_ENTRIES: usize = 61;

/// An entry.
#[derive(Debug)]
pub(crate) struct StaticEntry {
    pub(crate) name: &'static str,
    pub(crate) value: &'static str,
    pub(crate) kind: NameKind,
    pub(crate) meaning: Meaning,
}

const fn entry(
    name: &'static str,
    value: &'static str,
    kind: NameKind,
    meaning: Meaning,
) -> StaticEntry {
    StaticEntry { name, value, kind, meaning }
}

const fn other(name: &'static str, value: &'static str) -> StaticEntry {
    entry(name, value, NameKind::Other, Meaning::Other)
}

const fn request(
    name: &'static str,
    value: &'static str,
    kind: NameKind,
    pseudo: RequestPseudo,
) -> StaticEntry {
    entry(name, value, kind, Meaning::Request(pseudo))
}

const fn status(value: &'static str, status: u16) -> StaticEntry {
    entry(":status", value, NameKind::Status, Meaning::Status(status))
}

const LENGTH: Meaning = Meaning::Malformed(FieldFault::Length);
const CONNECTION: NameKind = NameKind::Malformed(FieldFault::ConnectionField);

/// The entries; the one of index `i` is at `i - 1`.
pub(crate) static STATIC_TABLE: [StaticEntry; STATIC_ENTRIES] = [
    request(":authority", "", NameKind::Authority, RequestPseudo::Authority),
    request(":method", "GET", NameKind::Method, RequestPseudo::Method),
    request(":method", "POST", NameKind::Method, RequestPseudo::Method),
    request(":path", "/", NameKind::Path, RequestPseudo::Path),
    request(":path", "/index.html", NameKind::Path, RequestPseudo::Path),
    request(":scheme", "http", NameKind::Scheme, RequestPseudo::Scheme),
    request(":scheme", "https", NameKind::Scheme, RequestPseudo::Scheme),
    status("200", 200),
    status("204", 204),
    status("206", 206),
    status("304", 304),
    status("400", 400),
    status("404", 404),
    status("500", 500),
    other("accept-charset", ""),
    other("accept-encoding", "gzip, deflate"),
    other("accept-language", ""),
    other("accept-ranges", ""),
    other("accept", ""),
    other("access-control-allow-origin", ""),
    other("age", ""),
    other("allow", ""),
    other("authorization", ""),
    other("cache-control", ""),
    other("content-disposition", ""),
    other("content-encoding", ""),
    other("content-language", ""),
    entry("content-length", "", NameKind::ContentLength, LENGTH),
    other("content-location", ""),
    other("content-range", ""),
    other("content-type", ""),
    other("cookie", ""),
    other("date", ""),
    other("etag", ""),
    other("expect", ""),
    other("expires", ""),
    other("from", ""),
    other("host", ""),
    other("if-match", ""),
    other("if-modified-since", ""),
    other("if-none-match", ""),
    other("if-range", ""),
    other("if-unmodified-since", ""),
    other("last-modified", ""),
    other("link", ""),
    entry("location", "", NameKind::Location, Meaning::Location),
    other("max-forwards", ""),
    other("proxy-authenticate", ""),
    other("proxy-authorization", ""),
    other("range", ""),
    other("referer", ""),
    other("refresh", ""),
    other("retry-after", ""),
    other("server", ""),
    other("set-cookie", ""),
    other("strict-transport-security", ""),
    entry("transfer-encoding", "", CONNECTION, Meaning::Malformed(FieldFault::ConnectionField)),
    other("user-agent", ""),
    other("vary", ""),
    other("via", ""),
    other("www-authenticate", ""),
];

/// Index of the entry with this name and value; of the first one with this name; or 0.
pub(crate) fn find(name: &[u8], value: &[u8]) -> Found {
    let mut found = Found::default();
    for (at, entry) in STATIC_TABLE.iter().enumerate() {
        if entry.name.as_bytes() == name {
            if found.name == 0 {
                found.name = at as u8 + 1;
            }
            // An empty value in the table says that only the name is of use, except for pseudo-headers.
            if entry.value.as_bytes() == value && !value.is_empty() {
                found.field = at as u8 + 1;
            }
        }
    }
    found
}

/// Where a field is in the static table; 0: it is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Index of an entry with this name.
    pub(crate) name: u8,
    /// Index of an entry with this name and this value.
    pub(crate) field: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meanings_are_those_of_the_texts() {
        for entry in &STATIC_TABLE {
            let kind = NameKind::of(entry.name.as_bytes());
            assert_eq!(kind, entry.kind, "{}", entry.name);
            assert_eq!(kind.with(entry.value.as_bytes()), entry.meaning, "{}", entry.name);
        }
    }

    #[test]
    fn fields_and_names_are_found() {
        assert_eq!(find(b":method", b"POST"), Found { name: 2, field: 3 });
        assert_eq!(find(b":path", b"/x"), Found { name: 4, field: 0 });
        assert_eq!(find(b":status", b"200"), Found { name: 8, field: 8 });
        assert_eq!(find(b"www-authenticate", b"Basic"), Found { name: 61, field: 0 });
        assert_eq!(find(b"accept", b""), Found { name: 19, field: 0 });
        assert_eq!(find(b"x-unknown", b""), Found::default());
    }
}
