//! What is kept of a response by a caller that reads one exchange at a time ([`KeptResponse`]).
//!
//! Owns the memory and its bound. What the fields mean for the message is in `message`.

use crate::observe::{Observer, Section, Tag};

/// An observer that keeps the fields and the content of the exchange that is open. For several exchanges at once a caller
/// has an observer of its own, which goes by their tags.
///
/// ```
/// use z6_proto_http2::{KeptResponse, Observer, Section, Tag};
///
/// let mut kept = KeptResponse::new(5);
/// for (name, value) in [(":status", "200"), ("server", "z6")] {
///     Observer::field(&mut kept, Tag(0), Section::Head, name.as_bytes(), value.as_bytes());
/// }
/// kept.content(Tag(0), b"hello");
/// assert_eq!(kept.field("server"), Some(&b"z6"[..]));
/// assert_eq!(kept.fields().count(), 1);
/// assert_eq!(kept.body(), Some(&b"hello"[..]));
/// kept.content(Tag(0), b"!");
/// assert_eq!(kept.body(), None);
/// ```
#[derive(Clone, Debug)]
pub struct KeptResponse {
    head: Fields,
    trailers: Fields,
    body: Vec<u8>,
    body_bytes_max: usize,
    is_too_large: bool,
}

/// Names and values, one behind the other, and where each name and each value ends.
#[derive(Clone, Debug, Default)]
struct Fields {
    text: Vec<u8>,
    ends: Vec<(usize, usize)>,
}

impl Fields {
    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    fn push(&mut self, name: &[u8], value: &[u8]) {
        self.text.extend_from_slice(name);
        let name_end = self.text.len();
        self.text.extend_from_slice(value);
        self.ends.push((name_end, self.text.len()));
    }

    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(_, end)| *end));
        let places = starts.zip(&self.ends);
        places.map(|(start, &(name, value))| (&self.text[start..name], &self.text[name..value]))
    }
}

impl KeptResponse {
    /// Nothing yet. The body is kept if it has at most so many bytes.
    pub fn new(body_bytes_max: usize) -> KeptResponse {
        KeptResponse {
            head: Fields::default(),
            trailers: Fields::default(),
            body: Vec::new(),
            body_bytes_max,
            is_too_large: false,
        }
    }

    /// Forgets the response: another exchange begins.
    pub fn clear(&mut self) {
        self.head.clear();
        self.trailers.clear();
        self.body.clear();
        self.is_too_large = false;
    }

    /// Names, in lower case, and values of the final head, without `:status`, in order.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.head.iter()
    }

    /// The value of the first header field of this name, which is in lower case.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields().find(|(other, _)| *other == name.as_bytes()).map(|(_, value)| value)
    }

    /// Names and values of the trailers, in order.
    pub fn trailer_fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.trailers.iter()
    }

    /// The content; none if it is larger than what is kept.
    pub fn body(&self) -> Option<&[u8]> {
        (!self.is_too_large).then_some(&self.body)
    }
}

impl Observer for KeptResponse {
    fn field(&mut self, _: Tag, section: Section, name: &[u8], value: &[u8]) {
        match section {
            // A head begins: one before it was interim.
            Section::Head if name.starts_with(b":") => self.head.clear(),
            Section::Head => self.head.push(name, value),
            Section::Trailers => self.trailers.push(name, value),
        }
    }

    fn content(&mut self, _: Tag, bytes: &[u8]) {
        self.is_too_large |= bytes.len() > self.body_bytes_max - self.body.len();
        if !self.is_too_large {
            self.body.extend_from_slice(bytes);
        }
    }
}
