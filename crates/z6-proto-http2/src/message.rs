//! The rules between the fields of a response (RFC 9113 §8.1, §8.2, §8.3.2).
//!
//! Owns which fields a head or trailers need, in which order, and their limits. What a single field means is told
//! by `meaning`; which frames may follow each other by the connection.

use z6_http::{Location, is_redirect};

use crate::error::ProtocolErrorKind;
use crate::hpack::{Visitor, size_in_table};
use crate::limits::Limits;
use crate::meaning::{FieldFault, Meaning};
use crate::observe::{Observer, Section, Tag};

/// What the fields of a head say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeadFacts {
    /// 0 in trailers.
    pub(crate) status: u16,
    pub(crate) content_length: Option<u64>,
}

/// A longer head is not remembered, bytes.
const KNOWN_BYTES_MAX: usize = 512;

/// The last well-formed head and what it said. Servers send the same head again and again: one that is
/// known is compared with, and not decoded.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownHead {
    block: Vec<u8>,
    /// The decoder's version before and after it: a head that changes it is not remembered.
    version: u64,
    facts: HeadFacts,
    plain_bytes: usize,
}

impl KnownHead {
    /// What `block` says, and the bytes of its names and values, if it is known.
    #[inline]
    pub(crate) fn find(&self, block: &[u8], version: u64) -> Option<(HeadFacts, usize)> {
        let is_known = self.version == version && !block.is_empty() && self.block == block;
        is_known.then_some((self.facts, self.plain_bytes))
    }

    /// Remembers a head that was decoded without a change of the decoder. The text of a redirect's `location` is not
    /// among the facts, so a redirect is not remembered.
    #[inline]
    pub(crate) fn remember(
        &mut self,
        block: &[u8],
        version: u64,
        facts: HeadFacts,
        plain_bytes: usize,
    ) {
        if block.len() > KNOWN_BYTES_MAX || is_redirect(facts.status) {
            return;
        }
        self.block.clear();
        self.block.extend_from_slice(block);
        (self.version, self.facts, self.plain_bytes) = (version, facts, plain_bytes);
    }
}

/// Takes the fields of one block of an open stream.
pub(crate) struct BlockReader<'a, O> {
    pub(crate) tag: Tag,
    pub(crate) section: Section,
    pub(crate) limits: &'a Limits,
    pub(crate) observer: &'a mut O,
    /// Where `location` goes, if it is kept.
    pub(crate) location: Option<&'a mut Location>,
    pub(crate) seen: Seen,
}

/// What was seen of a block so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    facts: HeadFacts,
    has_regular: bool,
    fields: usize,
    list_bytes: usize,
    plain_bytes: usize,
    fault: Option<ProtocolErrorKind>,
}

impl<O: Observer> Visitor for BlockReader<'_, O> {
    #[inline]
    fn field(&mut self, meaning: Meaning, name: &[u8], value: &[u8]) {
        self.seen.fields += 1;
        self.seen.list_bytes += size_in_table(name, value);
        self.seen.plain_bytes += name.len() + value.len();
        if self.seen.fault.is_some() {
            return;
        }
        self.seen.fault = self.check_limits().and_then(|()| self.check(meaning, value)).err();
        self.observer.field(self.tag, self.section, name, value);
    }
}

impl<O: Observer> BlockReader<'_, O> {
    /// The facts of the block, or what makes it malformed first.
    pub(crate) fn finish(&self) -> Result<HeadFacts, ProtocolErrorKind> {
        match self.seen.fault {
            Some(kind) => Err(kind),
            None if self.section == Section::Head && self.seen.facts.status == 0 => {
                Err(ProtocolErrorKind::BadStatus)
            }
            None => Ok(self.seen.facts),
        }
    }

    /// Bytes of all names and values.
    pub(crate) fn plain_bytes(&self) -> usize {
        self.seen.plain_bytes
    }

    #[inline]
    fn check_limits(&self) -> Result<(), ProtocolErrorKind> {
        let (bytes_max, too_large) = match self.section {
            Section::Head => (self.limits.head_bytes_max, ProtocolErrorKind::HeadTooLarge),
            Section::Trailers => {
                (self.limits.trailer_bytes_max, ProtocolErrorKind::TrailersTooLarge)
            }
        };
        if self.seen.list_bytes > bytes_max {
            return Err(too_large);
        }
        if self.seen.fields > self.limits.fields_max {
            return Err(ProtocolErrorKind::TooManyFields);
        }
        Ok(())
    }

    #[inline]
    fn check(&mut self, meaning: Meaning, value: &[u8]) -> Result<(), ProtocolErrorKind> {
        let facts = &mut self.seen.facts;
        match meaning {
            Meaning::Status(status) => {
                if self.section == Section::Trailers || self.seen.has_regular {
                    return Err(ProtocolErrorKind::BadPseudoHeader);
                }
                if facts.status != 0 {
                    return Err(ProtocolErrorKind::BadStatus);
                }
                facts.status = status;
                return Ok(());
            }
            Meaning::Request(_) => return Err(ProtocolErrorKind::BadPseudoHeader),
            Meaning::Malformed(fault) => return Err(kind_of(fault)),
            Meaning::ContentLength(length) => {
                if facts.content_length.is_some_and(|earlier| earlier != length) {
                    return Err(ProtocolErrorKind::BadContentLength);
                }
                facts.content_length = Some(length);
            }
            Meaning::Location => {
                if let Some(location) = &mut self.location {
                    location.add(value);
                }
            }
            Meaning::Other => {}
        }
        self.seen.has_regular = true;
        Ok(())
    }
}

/// The kind that says what is wrong with a field.
pub(crate) fn kind_of(fault: FieldFault) -> ProtocolErrorKind {
    match fault {
        FieldFault::Name => ProtocolErrorKind::BadFieldName,
        FieldFault::Pseudo => ProtocolErrorKind::BadPseudoHeader,
        FieldFault::Value => ProtocolErrorKind::BadFieldValue,
        FieldFault::ConnectionField => ProtocolErrorKind::ConnectionField,
        FieldFault::Status => ProtocolErrorKind::BadStatus,
        FieldFault::Length => ProtocolErrorKind::BadContentLength,
    }
}
