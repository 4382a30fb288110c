//! The head of a request as the routes see it, whichever version of HTTP brought it.
//!
//! Owns the differences between the two; must not know routes or connections.

use std::borrow::Cow;

use z6_proto_http1::server::RequestHead;
use z6_proto_http2::server::RequestFields;

/// A request's method, target and fields.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(crate) method: &'a str,
    /// The request target; over HTTP/2 `:path`.
    pub(crate) target: &'a str,
    /// The version is 1.0.
    pub(crate) is_http_1_0: bool,
    /// The connection closes after this request.
    pub(crate) close: bool,
    fields: Fields<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Fields<'a> {
    Http1(&'a RequestHead<'a>),
    Http2(&'a RequestFields),
}

impl<'a> Head<'a> {
    pub(crate) fn http1(head: &'a RequestHead<'a>) -> Head<'a> {
        Head {
            method: head.method,
            target: head.target,
            is_http_1_0: head.is_http_1_0,
            close: head.close,
            fields: Fields::Http1(head),
        }
    }

    /// None if method or path are not text.
    pub(crate) fn http2(fields: &'a RequestFields) -> Option<Head<'a>> {
        Some(Head {
            method: std::str::from_utf8(fields.method()).ok()?,
            target: std::str::from_utf8(fields.path()).ok()?,
            is_http_1_0: false,
            close: false,
            fields: Fields::Http2(fields),
        })
    }

    /// Value of the last field with this name, in any case.
    pub(crate) fn field(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        match self.fields {
            Fields::Http1(head) => head.field(name).map(Cow::Borrowed),
            Fields::Http2(fields) if name.eq_ignore_ascii_case("cookie") => cookies(fields),
            Fields::Http2(fields) => {
                let is_it = |key: &[u8]| key.eq_ignore_ascii_case(name.as_bytes());
                let named = fields.fields().filter(|(key, _)| is_it(key));
                named.last().map(|(_, value)| Cow::Borrowed(value))
            }
        }
    }
}

/// All cookies as one value: HTTP/2 may give each a field of its own (RFC 9113 section 8.2.3).
fn cookies(fields: &RequestFields) -> Option<Cow<'_, [u8]>> {
    let mut all: Option<Cow<'_, [u8]>> = None;
    for (_, value) in fields.fields().filter(|(key, _)| *key == b"cookie") {
        all = Some(match all {
            None => Cow::Borrowed(value),
            Some(before) => Cow::Owned([&before, b"; ".as_slice(), value].concat()),
        });
    }
    all
}
