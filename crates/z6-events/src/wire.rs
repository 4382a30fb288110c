//! Fixed-width little-endian fields and length-prefixed text, for headers and the footer. Never allocates
//! more than the input is long, whatever its length fields say.

use crate::limits::MAX_LIST_ITEMS;

/// Takes fields from the front of a slice; `None` if they do not fit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    bytes: &'a [u8],
    taken: usize,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Fields<'a> {
        Fields { bytes, taken: 0 }
    }

    /// Bytes taken so far.
    pub(crate) fn taken(&self) -> usize {
        self.taken
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        self.taken += count;
        Some(front)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn bytes32(&mut self) -> Option<[u8; 32]> {
        self.array()
    }

    /// A u32 length and that many bytes of UTF-8.
    pub(crate) fn text(&mut self) -> Option<String> {
        let length = self.u32()? as usize;
        std::str::from_utf8(self.take(length)?).ok().map(str::to_owned)
    }

    /// A u32 count and that many items, at most [`MAX_LIST_ITEMS`].
    pub(crate) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Fields<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let count = self.u32()?;
        if count as usize > MAX_LIST_ITEMS {
            return None;
        }
        // Grows with the items found, not with the count.
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(item(self)?);
        }
        Some(items)
    }
}

/// Appends a u32 length and the bytes of `text`.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_count(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// Appends a count as u32. Callers bound the whole to less than 2^32 bytes and check it at the end.
pub(crate) fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lying_length_or_count_is_refused() {
        let mut out = Vec::new();
        put_text(&mut out, "abc");
        assert_eq!(Fields::new(&out).text().as_deref(), Some("abc"));
        assert_eq!(Fields::new(&out[..6]).text(), None);
        let lie = [0xFF; 9];
        assert_eq!(Fields::new(&lie).text(), None);
        assert_eq!(Fields::new(&lie).list(Fields::u32), None);
        assert_eq!(Fields::new(&[1, 0, 0, 0, 0xFF]).text(), None, "not UTF-8");
    }
}
