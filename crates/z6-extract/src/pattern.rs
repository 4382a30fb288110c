//! Regular expressions over bytes: linear time, bounded memory.
//!
//! Owns the limits of the engine of `regex-automata`, and what of a match is the value.

use std::ops::{ControlFlow, Range};

use regex_automata::meta::{self, Regex};
use regex_automata::util::iter::Searcher;
use regex_automata::util::primitives::NonMaxUsize;
use regex_automata::util::syntax;
use regex_automata::{Input, Match, MatchKind, PatternID};
use thiserror::Error;

use crate::limits::{MAX_PATTERN_BYTES, MAX_PATTERN_CACHE_BYTES};

/// Why a text is no pattern.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatternError {
    /// It does not follow the syntax of the regex crate. The text says where, in several lines.
    #[error("{0}")]
    Syntax(Box<str>),
    /// Its program exceeds [`MAX_PATTERN_BYTES`].
    #[error(
        "the pattern needs more than {} KiB; `(?-u:..)` makes `\\w`, `\\d` and `\\s` ASCII and short",
        MAX_PATTERN_BYTES / 1024
    )]
    TooLarge,
}

/// A compiled regular expression in the syntax of the regex crate, Unicode on.
///
/// The value is group 1 if the pattern has groups, and the whole match otherwise. Bytes that are not
/// UTF-8 match nothing but `(?-u:..)`.
///
/// ```
/// use z6_extract::Pattern;
///
/// let pattern = Pattern::compile(r"/orders/(\d+)").unwrap();
/// let mut cache = pattern.cache();
/// let text = b"Location: /orders/42?x";
/// let value = pattern.first(&mut cache, text).unwrap();
/// assert_eq!(&text[value], b"42");
/// ```
#[derive(Clone, Debug)]
pub struct Pattern {
    #[cfg(feature = "sample")]
    text: Box<str>,
    regex: Regex,
    group: usize,
}

/// Memory for searching one pattern; each worker has its own. It grows to a bound and is kept.
#[derive(Clone, Debug)]
pub struct PatternCache {
    cache: meta::Cache,
    slots: [Option<NonMaxUsize>; 4],
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// If it does not follow the syntax, or its program exceeds [`MAX_PATTERN_BYTES`].
    pub fn compile(text: &str) -> Result<Pattern, PatternError> {
        let config = meta::Config::new()
            .match_kind(MatchKind::LeftmostFirst)
            .utf8_empty(false)
            .nfa_size_limit(Some(MAX_PATTERN_BYTES))
            .onepass_size_limit(Some(MAX_PATTERN_BYTES))
            .hybrid_cache_capacity(MAX_PATTERN_CACHE_BYTES);
        let built = Regex::builder()
            .configure(config)
            .syntax(syntax::Config::new().utf8(false))
            .build(text)
            .map_err(|error| match error.syntax_error() {
                Some(syntax) => PatternError::Syntax(syntax.to_string().into()),
                None => PatternError::TooLarge,
            })?;
        let group = usize::from(built.captures_len() > 1);
        Ok(Pattern {
            #[cfg(feature = "sample")]
            text: text.into(),
            regex: built,
            group,
        })
    }

    /// As it was written.
    #[cfg(feature = "sample")]
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether its value is that of a group.
    #[cfg(feature = "sample")]
    pub(crate) const fn has_groups(&self) -> bool {
        self.group > 0
    }

    /// Memory for searching this pattern.
    pub fn cache(&self) -> PatternCache {
        PatternCache { cache: self.regex.create_cache(), slots: [None; 4] }
    }

    /// Whether there is a match. `cache` is from this pattern.
    pub fn is_match(&self, cache: &mut PatternCache, text: &[u8]) -> bool {
        let input = Input::new(text).earliest(true);
        self.regex.search_half_with(&mut cache.cache, &input).is_some()
    }

    /// Where the value of the first match is. None if there is no match, or if group 1 takes no part
    /// in it.
    ///
    /// `cache` is from this pattern.
    pub fn first(&self, cache: &mut PatternCache, text: &[u8]) -> Option<Range<usize>> {
        self.search(cache, &Input::new(text))?;
        self.value(cache)
    }

    /// Calls `found` with the value of each match, until it breaks. Matches do not overlap.
    pub(crate) fn visit(
        &self,
        cache: &mut PatternCache,
        text: &[u8],
        mut found: impl FnMut(Range<usize>) -> ControlFlow<()>,
    ) {
        let mut searcher = Searcher::new(Input::new(text));
        while searcher.advance(|input| Ok(self.search(cache, input))).is_some() {
            if self.value(cache).is_some_and(|value| found(value).is_break()) {
                return;
            }
        }
    }

    fn search(&self, cache: &mut PatternCache, input: &Input<'_>) -> Option<Match> {
        let PatternCache { cache, slots } = cache;
        let used = slots.get_mut(..2 + 2 * self.group)?;
        self.regex.search_slots_with(cache, input, used)?;
        let [Some(start), Some(end), ..] = *slots else { return None };
        Some(Match::new(PatternID::ZERO, start.get()..end.get()))
    }

    fn value(&self, cache: &PatternCache) -> Option<Range<usize>> {
        let start = *cache.slots.get(2 * self.group)?;
        let end = *cache.slots.get(2 * self.group + 1)?;
        Some(start?.get()..end?.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pattern: &str, text: &[u8]) -> Vec<String> {
        let pattern = Pattern::compile(pattern).unwrap();
        let mut cache = pattern.cache();
        let mut all = Vec::new();
        pattern.visit(&mut cache, text, |range| {
            all.push(String::from_utf8_lossy(&text[range]).into_owned());
            ControlFlow::Continue(())
        });
        let first = pattern.first(&mut cache, text);
        let first = first.map(|range| String::from_utf8_lossy(&text[range]).into_owned());
        assert_eq!(first, all.first().cloned());
        all
    }

    #[test]
    fn the_value_is_group_1_or_the_whole_match() {
        assert_eq!(all("[0-9]+", b"a1b22"), ["1", "22"]);
        assert_eq!(all("b(.)(.)", b"b12 b34"), ["1", "3"]);
        assert_eq!(all("(?:b)(?P<digits>.)", b"b1"), ["1"]);
        assert_eq!(all("x*", b"axx"), ["", "xx"]);
        assert_eq!(all("é.", "éa".as_bytes()), ["éa"]);
        assert!(all("c", b"ab").is_empty());
    }

    #[test]
    fn a_match_without_group_1_has_no_value() {
        let pattern = Pattern::compile("a|(b)").unwrap();
        assert_eq!(pattern.first(&mut pattern.cache(), b"ab"), None);
    }

    #[test]
    fn bytes_that_are_no_text_are_passed_over() {
        assert_eq!(all("b.", b"\xffb\xffb1\xff"), ["b1"]);
        assert_eq!(all("(?-u:b.)", b"\xffb\xff").len(), 1);
    }

    #[test]
    fn patterns_are_bounded() {
        let syntax = Pattern::compile("a(").unwrap_err();
        assert!(matches!(&syntax, PatternError::Syntax(text) if text.contains("unclosed group")));
        assert_eq!(Pattern::compile("(a{1000}){1000}").unwrap_err(), PatternError::TooLarge);
        assert!(Pattern::compile(r"[\w.-]{1,64}@\w+").is_err());
        assert!(Pattern::compile(r"(?-u)[\w.-]{1,64}@\w+").is_ok());
    }

    /// A backtracking engine would not end in the life of this machine.
    #[test]
    fn time_is_linear() {
        let text = "a".repeat(100_000);
        assert!(all("(?:a*)*b", text.as_bytes()).is_empty());
        assert!(all("(a|aa)+$x", text.as_bytes()).is_empty());
    }
}
