//! Texts that a regular expression finds, from its syntax tree.

use std::ops::Range;

use regex_automata::util::syntax;
use regex_syntax::hir::{Capture, Class, Hir, HirKind, Look, Repetition};

use super::Draw;
use crate::pattern::{Pattern, PatternCache};

/// A sample is not longer than this, bytes.
const SAMPLE_BYTES_MAX: usize = 16 * 1024;
/// So many times is tried with other draws.
const TRIES: usize = 16;
/// What the value is made of is repeated so often, if the pattern leaves it open.
const REPEATED: u32 = 6;
/// Characters that are preferred to others.
const PLAIN: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// Makes texts that a pattern finds.
#[derive(Debug, Clone)]
pub struct Sampler {
    pattern: Pattern,
    cache: PatternCache,
    tree: Hir,
}

/// A text in which a pattern finds a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The text.
    pub text: Vec<u8>,
    /// Where the value is in it.
    pub value: Range<usize>,
}

/// A text being made.
struct Made<'d> {
    text: Vec<u8>,
    draw: Draw<'d>,
    /// Alternatives are drawn; otherwise the first is taken.
    is_drawn: bool,
    /// The pattern has groups, so that only the first of them is the value.
    has_groups: bool,
}

impl Sampler {
    /// A sampler; none for a pattern whose syntax tree cannot be had.
    #[must_use]
    pub fn new(pattern: &Pattern) -> Option<Sampler> {
        let config = syntax::Config::new().utf8(false);
        let tree = syntax::parse_with(pattern.text(), &config).ok()?;
        Some(Sampler { pattern: pattern.clone(), cache: pattern.cache(), tree })
    }

    /// Whether the pattern is found at the beginning of a text alone.
    #[must_use]
    pub fn is_of_start(&self) -> bool {
        self.tree.properties().look_set_prefix().contains(Look::Start)
    }

    /// Whether the pattern is found at the end of a text alone.
    #[must_use]
    pub fn is_of_end(&self) -> bool {
        self.tree.properties().look_set_suffix().contains(Look::End)
    }

    /// Whether the pattern is found in a text.
    pub fn finds(&mut self, text: &[u8]) -> bool {
        self.pattern.is_match(&mut self.cache, text)
    }

    /// A short text in which the pattern finds a value, which is empty only if it cannot be otherwise.
    /// None if none was found.
    pub fn sample(&mut self, draw: Draw<'_>) -> Option<Found> {
        let mut empty = None;
        for attempt in 0..TRIES {
            let has_groups = self.pattern.has_groups();
            let mut made =
                Made { text: Vec::new(), draw: &mut *draw, is_drawn: attempt > 0, has_groups };
            if made.push(&self.tree, !has_groups).is_none() {
                continue;
            }
            let text = made.text;
            let Some(value) = self.pattern.first(&mut self.cache, &text) else { continue };
            let found = Found { text, value };
            if !found.value.is_empty() {
                return Some(found);
            }
            empty = Some(found);
        }
        empty
    }
}

impl Made<'_> {
    /// Appends what a part of the pattern matches. None if it matches nothing, or something too long.
    fn push(&mut self, part: &Hir, is_value: bool) -> Option<()> {
        if self.text.len() > SAMPLE_BYTES_MAX {
            return None;
        }
        match part.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => self.text.extend_from_slice(&literal.0),
            HirKind::Class(class) => self.push_class(class)?,
            HirKind::Repetition(Repetition { min, max, sub, .. }) => {
                let wanted = if is_value { REPEATED.min(max.unwrap_or(REPEATED)) } else { 0 };
                for _ in 0..wanted.max(*min) {
                    self.push(sub, is_value)?;
                }
            }
            HirKind::Capture(Capture { index, sub, .. }) => {
                self.push(sub, if self.has_groups { is_value || *index == 1 } else { true })?;
            }
            HirKind::Concat(parts) => {
                for part in parts {
                    self.push(part, is_value)?;
                }
            }
            HirKind::Alternation(parts) => {
                let count = parts.len() as u64;
                let chosen = if self.is_drawn { (self.draw)(count) } else { 0 };
                self.push(parts.get(usize::try_from(chosen).ok()?)?, is_value)?;
            }
        }
        Some(())
    }

    fn push_class(&mut self, class: &Class) -> Option<()> {
        let has = |c: char| match class {
            Class::Unicode(class) => class.iter().any(|r| (r.start()..=r.end()).contains(&c)),
            Class::Bytes(class) => u8::try_from(c)
                .is_ok_and(|c| class.iter().any(|r| (r.start()..=r.end()).contains(&c))),
        };
        let plain: Vec<char> = PLAIN.chars().filter(|c| has(*c)).collect();
        if let Some(count) = std::num::NonZeroU64::new(plain.len() as u64) {
            let chosen = usize::try_from((self.draw)(count.get())).ok()?;
            self.push_char(*plain.get(chosen)?);
            return Some(());
        }
        if let Some(c) = ('!'..='~').chain([' ']).find(|c| has(*c)) {
            self.push_char(c);
            return Some(());
        }
        match class {
            Class::Unicode(class) => self.push_char(class.iter().next()?.start()),
            Class::Bytes(class) => self.text.push(class.iter().next()?.start()),
        }
        Some(())
    }

    fn push_char(&mut self, c: char) {
        self.text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
}
