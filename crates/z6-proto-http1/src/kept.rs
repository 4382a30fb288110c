//! What is kept of a response for those that read it: head, body without its framing, trailers.
//!
//! Owns the memory and its bound. A response that lies whole in what was read at once is not copied: then
//! this holds where its parts are. Knows nothing of how a response is framed.

use std::ops::Range;

use memchr::{memchr, memchr_iter};
use z6_http::field::is_same;

/// Memory beyond this is not kept for the next response, bytes.
const SPARE_BYTES_MAX: usize = 64 * 1024;

/// What is kept of the responses to come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Head and trailers.
    pub fields: bool,
    /// The body, if it has at most so many bytes as sent; none is kept otherwise.
    pub body_bytes_max: Option<usize>,
}

impl Keep {
    /// Whether anything is.
    pub const fn is_any(self) -> bool {
        self.fields || self.body_bytes_max.is_some()
    }
}

/// A response that was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptResponse<'a> {
    /// The final head, the empty line included; folded lines are unfolded.
    pub head: &'a [u8],
    /// The trailer section, its empty line included; empty if there is none.
    pub trailers: &'a [u8],
    /// The body as sent, without chunk framing; none if it is larger than what is kept.
    pub body: Option<&'a [u8]>,
}

impl<'a> KeptResponse<'a> {
    /// Names and values of the header fields, in order.
    pub fn fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        fields(lines(self.head).skip(1))
    }

    /// The values of the header fields of this name, in any case and in order. Costs less than to look
    /// through [`KeptResponse::fields`].
    pub fn values<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let head = self.head;
        memchr_iter(b'\n', head).filter_map(move |line_end| {
            let (given, rest) = head.get(line_end + 1..)?.split_at_checked(name.len())?;
            let rest = rest.strip_prefix(b":").filter(|_| is_same(given, name))?;
            Some(rest.get(..memchr(b'\n', rest)?)?.trim_ascii())
        })
    }

    /// The value of the first header field of this name, in any case.
    pub fn field(&self, name: &str) -> Option<&'a [u8]> {
        self.values(name).next()
    }

    /// Names and values of the trailer fields, in order.
    pub fn trailer_fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        fields(lines(self.trailers))
    }
}

fn lines(mut text: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (line, rest) = text.split_at_checked(memchr(b'\n', text)? + 1)?;
        text = rest;
        Some(line)
    })
}

fn fields<'a>(lines: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    lines.filter_map(|line| {
        let colon = memchr(b':', line)?;
        Some((line.get(..colon)?, line.get(colon + 1..)?.trim_ascii()))
    })
}

/// Where a part of a response is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// In what was read last.
    Input(Range<usize>),
    Copied,
}

/// The memory.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    keep: Keep,
    head: Part,
    body: Part,
    head_bytes: Vec<u8>,
    body_bytes: Vec<u8>,
    trailer_bytes: Vec<u8>,
    is_too_large: bool,
}

impl Kept {
    pub(crate) const fn new() -> Kept {
        Kept {
            keep: Keep { fields: false, body_bytes_max: None },
            head: Part::Copied,
            body: Part::Copied,
            head_bytes: Vec::new(),
            body_bytes: Vec::new(),
            trailer_bytes: Vec::new(),
            is_too_large: false,
        }
    }

    pub(crate) fn set(&mut self, keep: Keep) {
        self.keep = keep;
        self.clear();
    }

    pub(crate) fn keep(&self) -> Keep {
        self.keep
    }

    /// Forgets the last response; gives back memory that few responses need.
    pub(crate) fn clear(&mut self) {
        (self.head, self.body, self.is_too_large) = (Part::Copied, Part::Copied, false);
        for bytes in [&mut self.head_bytes, &mut self.body_bytes, &mut self.trailer_bytes] {
            bytes.clear();
            if bytes.capacity() > SPARE_BYTES_MAX {
                *bytes = Vec::new();
            }
        }
    }

    /// The final head, which lies in the input.
    pub(crate) fn head_in_input(&mut self, range: Range<usize>) {
        self.head = Part::Input(range);
    }

    /// The final head, which does not.
    pub(crate) fn copy_head(&mut self, head: &[u8]) {
        self.head = Part::Copied;
        self.head_bytes.clear();
        self.head_bytes.extend_from_slice(head);
    }

    /// The whole body, which lies in the input.
    pub(crate) fn body_in_input(&mut self, range: Range<usize>) {
        let fits = self.keep.body_bytes_max.is_some_and(|max| range.len() <= max);
        self.is_too_large = !fits;
        self.body = Part::Input(if fits { range } else { 0..0 });
    }

    /// The body will have so many bytes: whether it is kept.
    pub(crate) fn expect_body(&mut self, bytes: u64) -> bool {
        let fits = self.keep.body_bytes_max.is_some_and(|max| bytes <= max as u64);
        self.is_too_large = !fits;
        fits
    }

    /// Further bytes of the body.
    pub(crate) fn push_body(&mut self, bytes: &[u8]) {
        let Some(max) = self.keep.body_bytes_max.filter(|_| !self.is_too_large) else { return };
        if self.body_bytes.len() + bytes.len() > max {
            return self.give_up_body();
        }
        self.body_bytes.extend_from_slice(bytes);
    }

    /// The body is not kept after all.
    pub(crate) fn give_up_body(&mut self) {
        self.is_too_large = true;
        self.body_bytes = Vec::new();
    }

    /// Exchanges the memory of the body, which is empty, for another.
    pub(crate) fn lend(&mut self, mut memory: Vec<u8>) -> Vec<u8> {
        memory.clear();
        self.is_too_large |= !self.body_bytes.is_empty();
        std::mem::replace(&mut self.body_bytes, memory)
    }

    /// Further bytes of the trailer section.
    pub(crate) fn push_trailers(&mut self, bytes: &[u8]) {
        if self.keep.fields {
            self.trailer_bytes.extend_from_slice(bytes);
        }
    }

    /// Memory in use, bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.body_bytes.capacity()
    }

    /// The response, whose last bytes are in `input`.
    pub(crate) fn response<'a>(&'a self, input: &'a [u8]) -> KeptResponse<'a> {
        let part = |part: &Part, copied: &'a Vec<u8>| match part {
            Part::Input(range) => input.get(range.clone()).unwrap_or_default(),
            Part::Copied => copied,
        };
        let has_body = self.keep.body_bytes_max.is_some() && !self.is_too_large;
        KeptResponse {
            head: part(&self.head, &self.head_bytes),
            trailers: &self.trailer_bytes,
            body: has_body.then(|| part(&self.body, &self.body_bytes)),
        }
    }
}
