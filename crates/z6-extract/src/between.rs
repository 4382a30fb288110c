//! The text between two boundaries.

use std::ops::{ControlFlow, Range};

use memchr::memmem::Finder;

/// Two texts that are not empty; the value is what stands between them.
///
/// ```
/// use z6_extract::Between;
///
/// let csrf = Between::new(b"name=\"csrf\" value=\"", b"\"").unwrap();
/// let page = br#"<input name="csrf" value="f00d">"#;
/// assert_eq!(&page[csrf.first(page).unwrap()], b"f00d");
/// ```
#[derive(Clone, Debug)]
pub struct Between {
    /// The text before the value and the one after it; together half a kilobyte.
    boundaries: Box<[Finder<'static>; 2]>,
}

impl Between {
    /// None if a boundary is empty.
    pub fn new(before: &[u8], after: &[u8]) -> Option<Between> {
        let is_usable = !before.is_empty() && !after.is_empty();
        let finder = |text: &[u8]| Finder::new(text).into_owned();
        is_usable.then(|| Between { boundaries: Box::new([finder(before), finder(after)]) })
    }

    /// The text before the value, and the one after it.
    #[cfg(feature = "sample")]
    pub(crate) fn boundaries(&self) -> [&[u8]; 2] {
        let [before, after] = &*self.boundaries;
        [before.needle(), after.needle()]
    }

    /// Where the first value is: it begins behind the first boundary and ends before the next second
    /// one.
    pub fn first(&self, text: &[u8]) -> Option<Range<usize>> {
        self.from(text, 0)
    }

    /// Calls `found` for each value, until it breaks. Boundaries do not overlap.
    pub(crate) fn visit(
        &self,
        text: &[u8],
        mut found: impl FnMut(Range<usize>) -> ControlFlow<()>,
    ) {
        let mut from = 0;
        while let Some(value) = self.from(text, from) {
            let [_, after] = &*self.boundaries;
            from = value.end + after.needle().len();
            if found(value).is_break() {
                return;
            }
        }
    }

    fn from(&self, text: &[u8], from: usize) -> Option<Range<usize>> {
        let [before, after] = &*self.boundaries;
        let start = from + before.find(text.get(from..)?)? + before.needle().len();
        let length = after.find(text.get(start..)?)?;
        Some(start..start + length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(before: &str, after: &str, text: &str) -> Vec<String> {
        let between = Between::new(before.as_bytes(), after.as_bytes()).unwrap();
        let mut all = Vec::new();
        between.visit(text.as_bytes(), |range| {
            all.push(text[range].to_owned());
            ControlFlow::Continue(())
        });
        assert_eq!(
            between.first(text.as_bytes()).map(|range| &text[range]),
            all.first().map(|s| &**s)
        );
        all
    }

    #[test]
    fn values_stand_between_boundaries() {
        assert_eq!(all("<b>", "</b>", "<b>1</b> <b></b><b>2"), ["1", ""]);
        assert_eq!(all("|", "|", "|1|2|3|"), ["1", "3"]);
        assert_eq!(all("aa", "a", "aaaa"), [""]);
        assert!(all("x", "y", "yx").is_empty());
    }

    #[test]
    fn a_boundary_is_not_empty() {
        assert!(Between::new(b"", b"x").is_none() && Between::new(b"x", b"").is_none());
    }
}
