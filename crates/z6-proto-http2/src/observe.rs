//! What can be seen of a connection while it reads ([`Observer`]).
//!
//! Owns the trait only. An observer that sees nothing, `()`, costs nothing.

use crate::frame::FrameHeader;

/// Names an exchange in the words of the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u32);

/// The part of a message that a field is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// The head of an interim or final response; the field `:status` tells which.
    Head,
    /// After the body.
    Trailers,
}

/// Sees what a connection reads. All methods do nothing by default.
pub trait Observer {
    /// Whether it looks at fields. If not, a head that is the same as the one before is not decoded again, and
    /// [`Observer::field`] may not be called.
    const READS_FIELDS: bool = true;

    /// The header of any frame.
    fn frame(&mut self, header: &FrameHeader) {
        let _ = header;
    }

    /// A field of an open exchange, in order, maybe of a message that turns out to be malformed later.
    fn field(&mut self, tag: Tag, section: Section, name: &[u8], value: &[u8]) {
        let _ = (tag, section, name, value);
    }

    /// Content of an open exchange, in order; how it is cut follows the reads.
    fn content(&mut self, tag: Tag, bytes: &[u8]) {
        let _ = (tag, bytes);
    }
}

impl Observer for () {
    const READS_FIELDS: bool = false;
}
