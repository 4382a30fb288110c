//! From a text to a template: finds the placeholders, reads them, and decides how each is escaped.

use super::filter::Filter;
use super::{
    Allowed, Escape, FILTERS_MAX, SLOTS_MAX, Slot, Template, TextKind, VALUE_NAME_BYTES_MAX,
    ValueId,
};

/// A placeholder that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct TemplateError {
    /// Where it is in the text, bytes from its beginning.
    pub offset: usize,
    /// What is wrong.
    pub kind: TemplateErrorKind,
}

/// What is wrong with a placeholder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateErrorKind {
    /// There is no `}}` behind it.
    #[error("`{{{{` without `}}}}`: a placeholder is `{{{{ name }}}}`")]
    Unclosed,
    /// It names no value.
    #[error("an empty placeholder: a placeholder is `{{{{ name }}}}`")]
    Empty,
    /// Not `[a-z][a-z0-9_]*`, with at most one `.` inside, or too long.
    #[error(
        "`{0}` is not the name of a value: lower-case letters, digits and `_`, at most {VALUE_NAME_BYTES_MAX} bytes"
    )]
    BadName(String),
    /// No value has this name.
    #[error("there is no value `{0}`")]
    UnknownName(String),
    /// No filter has this name.
    #[error("there is no filter `{0}`; there are {names}", names = Filter::NAMES)]
    UnknownFilter(String),
    /// The filter takes no such argument.
    #[error("`{0}`: {1}")]
    BadArgument(String, &'static str),
    /// More than [`FILTERS_MAX`].
    #[error("more than {FILTERS_MAX} filters")]
    TooManyFilters,
    /// More than [`SLOTS_MAX`].
    #[error("more than {SLOTS_MAX} placeholders")]
    TooManySlots,
}

pub(super) fn compile(
    text: &str,
    kind: TextKind,
    mut find: impl FnMut(&str) -> Option<ValueId>,
) -> Result<Template, TemplateError> {
    let mut fixed = String::new();
    let mut slots = Vec::new();
    let (mut at, mut before) = (0, 0);
    let mut json = JsonPlace::default();
    while let Some(open) = text[at..].find("{{").map(|offset| at + offset) {
        let error = |kind| TemplateError { offset: open, kind };
        // In JSON, three braces are an object around a placeholder: the last two of a row open it.
        let open = match kind {
            TextKind::Json => last_pair(text, open),
            _ => open,
        };
        let length = end_of(&text[open + 2..]).ok_or(error(TemplateErrorKind::Unclosed))?;
        let inside = open + 2..open + 2 + length;
        if slots.len() == SLOTS_MAX {
            return Err(error(TemplateErrorKind::TooManySlots));
        }
        let literal = &text[at..open];
        json.pass(literal);
        fixed.push_str(literal);
        let (value, mut filters) = placeholder(&text[inside.clone()], inside.start, &mut find)?;
        let mut escape = place(kind, &json);
        let instead = filters.pop_if(|last| last.replaces(escape));
        if instead == Some(Filter::Raw) {
            escape = Escape::None;
        }
        slots.push(Slot { before: before..fixed.len(), value, filters, escape, instead });
        before = fixed.len();
        at = inside.end + 2;
    }
    fixed.push_str(&text[at..]);
    let tail = before..fixed.len();
    let allowed = Allowed::of(kind);
    Ok(Template { text: fixed, slots, tail, allowed })
}

/// Where the last two of a row of `{` begin.
fn last_pair(text: &str, open: usize) -> usize {
    let row = text[open..].bytes().take_while(|byte| *byte == b'{').count();
    open + row - 2
}

/// Where the `}}` of a placeholder is that begins `text`; one inside a quoted argument does not end it.
fn end_of(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut in_quotes) = (0, false);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if in_quotes => at += 1,
            b'"' => in_quotes = !in_quotes,
            b'}' if !in_quotes && bytes.get(at + 1) == Some(&b'}') => return Some(at),
            b'\n' => return None,
            _ => {}
        }
        at += 1;
    }
    None
}

/// How a value is escaped that stands here.
fn place(kind: TextKind, json: &JsonPlace) -> Escape {
    match kind {
        TextKind::Target => Escape::Percent,
        TextKind::FormField => Escape::Form,
        TextKind::HeaderValue | TextKind::Plain => Escape::None,
        TextKind::JsonString => Escape::JsonText,
        TextKind::Json if json.in_string => Escape::JsonText,
        TextKind::Json => Escape::JsonValue,
    }
}

/// Whether the text so far ends inside a JSON string.
#[derive(Default)]
struct JsonPlace {
    in_string: bool,
    is_escaped: bool,
}

impl JsonPlace {
    fn pass(&mut self, text: &str) {
        for byte in text.bytes() {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = self.in_string,
                b'"' => self.in_string = !self.in_string,
                _ => {}
            }
        }
    }
}

/// Reads `name | filter | filter(argument)`, which begins at `offset` of the whole text.
fn placeholder(
    text: &str,
    offset: usize,
    find: &mut impl FnMut(&str) -> Option<ValueId>,
) -> Result<(ValueId, Vec<Filter>), TemplateError> {
    let mut parts = split(text);
    let (at, name) = parts.next().unwrap_or((0, ""));
    let error = |at: usize, kind| TemplateError { offset: offset + at, kind };
    let value = resolve(name, find).map_err(|kind| error(at, kind))?;
    let mut filters = Vec::new();
    for (at, text) in parts {
        if filters.len() == FILTERS_MAX {
            return Err(error(at, TemplateErrorKind::TooManyFilters));
        }
        filters
            .push(Filter::parse(text, &mut |name| resolve(name, find)).map_err(|k| error(at, k))?);
    }
    Ok((value, filters))
}

/// The parts between the `|` that stand outside of quotes, trimmed, with their offsets.
fn split(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_quotes = false;
    let mut is_escaped = false;
    let mut from = 0;
    let mut is_done = false;
    std::iter::from_fn(move || {
        if is_done {
            return None;
        }
        let start = from;
        for (at, byte) in text.bytes().enumerate().skip(from) {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' if in_quotes => is_escaped = true,
                b'"' => in_quotes = !in_quotes,
                b'|' if !in_quotes => {
                    from = at + 1;
                    return Some(trimmed(text, start, at));
                }
                _ => {}
            }
        }
        is_done = true;
        Some(trimmed(text, start, text.len()))
    })
}

fn trimmed(text: &str, start: usize, end: usize) -> (usize, &str) {
    let part = &text[start..end];
    let skipped = part.len() - part.trim_start().len();
    (start + skipped, part.trim())
}

fn resolve(
    name: &str,
    find: &mut impl FnMut(&str) -> Option<ValueId>,
) -> Result<ValueId, TemplateErrorKind> {
    if name.is_empty() {
        return Err(TemplateErrorKind::Empty);
    }
    let is_word = |word: &str| {
        word.len() <= VALUE_NAME_BYTES_MAX
            && word.starts_with(|first: char| first.is_ascii_lowercase())
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    // Columns are called as their file calls them.
    let is_column = |name: &str| {
        let is_open = |c: char| !c.is_control() && !"{}|()\"'".contains(c);
        !name.is_empty() && name.len() <= VALUE_NAME_BYTES_MAX && name.chars().all(is_open)
    };
    let is_name = match name.split_once('.') {
        None => is_word(name),
        Some((table, column)) => is_word(table) && is_column(column),
    };
    if !is_name {
        return Err(TemplateErrorKind::BadName(name.to_owned()));
    }
    find(name).ok_or_else(|| TemplateErrorKind::UnknownName(name.to_owned()))
}
