//! A request as a server reads it: its fields and their rules (RFC 9113 §8.3.1).

use std::ops::Range;

use crate::error::ProtocolErrorKind;
use crate::hpack::{Visitor, size_in_table};
use crate::limits::Limits;
use crate::meaning::{Meaning, RequestPseudo};
use crate::message::kind_of;

/// The fields of a request. Its memory is used again for the next one.
#[derive(Clone, Debug, Default)]
pub struct RequestFields {
    text: Vec<u8>,
    fields: Vec<(Range<usize>, Range<usize>)>,
    method: Option<Range<usize>>,
    scheme: Option<Range<usize>>,
    authority: Option<Range<usize>>,
    path: Option<Range<usize>>,
    content_length: Option<u64>,
    list_bytes: usize,
    fault: Option<ProtocolErrorKind>,
    limits: Option<(usize, usize)>,
}

impl RequestFields {
    fn part(&self, range: Option<&Range<usize>>) -> &[u8] {
        range.map_or(&[], |range| &self.text[range.clone()])
    }

    /// `:method`.
    pub fn method(&self) -> &[u8] {
        self.part(self.method.as_ref())
    }

    /// `:scheme`.
    pub fn scheme(&self) -> &[u8] {
        self.part(self.scheme.as_ref())
    }

    /// `:authority`; empty if there is none.
    pub fn authority(&self) -> &[u8] {
        self.part(self.authority.as_ref())
    }

    /// `:path`.
    pub fn path(&self) -> &[u8] {
        self.part(self.path.as_ref())
    }

    /// The length that the request says its body has.
    pub fn content_length(&self) -> Option<u64> {
        self.content_length
    }

    /// Names and values of the other fields, in order.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields
            .iter()
            .map(|(name, value)| (&self.text[name.clone()], &self.text[value.clone()]))
    }

    /// Value of the last field with this name, which is in lower case.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        let named = self.fields().filter(|(key, _)| *key == name.as_bytes());
        named.last().map(|(_, value)| value)
    }

    pub(super) fn begin(&mut self, limits: &Limits) {
        self.text.clear();
        self.fields.clear();
        (self.method, self.scheme, self.authority, self.path) = (None, None, None, None);
        self.content_length = None;
        self.list_bytes = 0;
        self.fault = None;
        self.limits = Some((limits.head_bytes_max, limits.fields_max));
    }

    /// Whether it is a request; otherwise what makes it malformed.
    pub(super) fn finish(&self) -> Result<(), ProtocolErrorKind> {
        let is_complete = self.method.is_some() && self.scheme.is_some();
        match self.fault {
            Some(kind) => Err(kind),
            None if is_complete && !self.path().is_empty() => Ok(()),
            None => Err(ProtocolErrorKind::BadPseudoHeader),
        }
    }

    fn push(&mut self, bytes: &[u8]) -> Range<usize> {
        let from = self.text.len();
        self.text.extend_from_slice(bytes);
        from..self.text.len()
    }

    fn add(
        &mut self,
        meaning: Meaning,
        name: &[u8],
        value: &[u8],
    ) -> Result<(), ProtocolErrorKind> {
        match meaning {
            Meaning::Request(pseudo) => {
                let value = self.push(value);
                let place = match pseudo {
                    RequestPseudo::Method => &mut self.method,
                    RequestPseudo::Scheme => &mut self.scheme,
                    RequestPseudo::Authority => &mut self.authority,
                    RequestPseudo::Path => &mut self.path,
                };
                if place.replace(value).is_some() || !self.fields.is_empty() {
                    return Err(ProtocolErrorKind::BadPseudoHeader);
                }
                return Ok(());
            }
            Meaning::Status(_) => return Err(ProtocolErrorKind::BadPseudoHeader),
            Meaning::Malformed(fault) => return Err(kind_of(fault)),
            Meaning::ContentLength(length) => {
                if self.content_length.is_some_and(|earlier| earlier != length) {
                    return Err(ProtocolErrorKind::BadContentLength);
                }
                self.content_length = Some(length);
            }
            Meaning::Location | Meaning::Other => {}
        }
        let (name, value) = (self.push(name), self.push(value));
        self.fields.push((name, value));
        Ok(())
    }
}

impl Visitor for RequestFields {
    fn field(&mut self, meaning: Meaning, name: &[u8], value: &[u8]) {
        if self.fault.is_some() {
            return;
        }
        self.list_bytes += size_in_table(name, value);
        let (bytes_max, fields_max) = self.limits.unwrap_or_default();
        self.fault = if self.list_bytes > bytes_max {
            Some(ProtocolErrorKind::HeadTooLarge)
        } else if self.fields.len() >= fields_max {
            Some(ProtocolErrorKind::TooManyFields)
        } else {
            self.add(meaning, name, value).err()
        };
    }
}
