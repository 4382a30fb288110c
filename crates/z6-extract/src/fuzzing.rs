//! Bodies of the fuzz targets: any bytes in, assertions inside.
//!
//! A unit test runs each over its committed corpus in `tests/corpus`; a fuzz target is one line that
//! calls it. [`fuzz_json_path`] is an independent witness: it evaluates a path over a tree, as
//! RFC 9535 says it, where the crate reads bytes.

use std::ops::ControlFlow;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::json::path::{self, Comparable, Comparison, Logic, Path, Query, Segment, Selector};
use crate::limits::{MAX_COOKIE_BYTES, MAX_COOKIES};
use crate::rows::{Format, Limits, Reader, RowsError, Table};
use crate::{Destination, JsonErrorKind, JsonPath, Kind, Refused, Stored, Value};

/// Values of a path that are compared; a path may find a document many times over.
const VALUES_MAX: usize = 10_000;

/// A document as a tree. Of several members of a name it has the first.
#[derive(Clone, Debug, PartialEq)]
enum Tree {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Tree, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Number(value as f64))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Number(value as f64))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Number(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut all = Vec::new();
        while let Some(element) = access.next_element()? {
            all.push(element);
        }
        Ok(Tree::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut all = Vec::new();
        while let Some(member) = access.next_entry()? {
            all.push(member);
        }
        Ok(Tree::Object(all))
    }
}

impl Tree {
    fn children(&self) -> Vec<&Tree> {
        match self {
            Tree::Array(elements) => elements.iter().collect(),
            Tree::Object(members) => members.iter().map(|(_, value)| value).collect(),
            _ => Vec::new(),
        }
    }

    /// This value and all below it, in the order of RFC 9535 §2.5.2.2.
    fn descendants<'t>(&'t self, all: &mut Vec<&'t Tree>) {
        all.push(self);
        for child in self.children() {
            child.descendants(all);
        }
    }

    fn select<'t>(&'t self, selector: &Selector, path: &Whole<'t>) -> Vec<&'t Tree> {
        match (self, selector) {
            (_, Selector::Wildcard) => self.children(),
            (Tree::Object(members), Selector::Name(name)) => {
                let member = members.iter().find(|(other, _)| **other == **name);
                member.map(|(_, value)| value).into_iter().collect()
            }
            (Tree::Array(elements), &Selector::Index(index)) => {
                let count = elements.len() as i64;
                let position = if index < 0 { count + index } else { index };
                usize::try_from(position).ok().and_then(|at| elements.get(at)).into_iter().collect()
            }
            (Tree::Array(elements), &Selector::Slice { start, end, step }) => {
                slice(elements, start, end, step)
            }
            (_, Selector::Filter(logic)) => {
                self.children().into_iter().filter(|child| path.holds(logic, child)).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// A slice as the pseudocode of RFC 9535 §2.3.4.2.2 has it.
fn slice(elements: &[Tree], start: Option<i64>, end: Option<i64>, step: i64) -> Vec<&Tree> {
    let count = elements.len() as i64;
    let place = |i: i64| if i >= 0 { i } else { count + i };
    let start = place(start.unwrap_or(if step >= 0 { 0 } else { count - 1 }));
    let end = place(end.unwrap_or(if step >= 0 { count } else { -count - 1 }));
    let at = |i: i64| usize::try_from(i).ok().and_then(|i| elements.get(i));
    let mut all = Vec::new();
    if step > 0 {
        let mut i = start.clamp(0, count);
        while i < end.clamp(0, count) {
            all.extend(at(i));
            i = i.saturating_add(step);
        }
    } else if step < 0 {
        let mut i = start.clamp(-1, count - 1);
        while end.clamp(-1, count - 1) < i {
            all.extend(at(i));
            i = i.saturating_add(step);
        }
    }
    all
}

/// A path and the document that it is evaluated over.
struct Whole<'t> {
    root: &'t Tree,
    path: &'t Path,
}

impl<'t> Whole<'t> {
    /// The nodes that segments select, as RFC 9535 §2.1.2 has it.
    fn evaluate(&self, segments: &[Segment], from: &'t Tree) -> Vec<&'t Tree> {
        let mut nodes = vec![from];
        for segment in segments {
            let mut next = Vec::new();
            for node in nodes {
                let mut visited = Vec::new();
                if segment.descends {
                    node.descendants(&mut visited);
                } else {
                    visited.push(node);
                }
                for node in visited {
                    let selectors = segment.selectors.iter();
                    next.extend(selectors.flat_map(|selector| node.select(selector, self)));
                }
            }
            nodes = next;
        }
        nodes
    }

    fn query(&self, query: &Query, node: &'t Tree) -> Vec<&'t Tree> {
        let from = if query.is_absolute { self.root } else { node };
        self.evaluate(&query.segments, from)
    }

    fn holds(&self, logic: &Logic, node: &'t Tree) -> bool {
        match logic {
            Logic::Any(parts) => parts.iter().any(|part| self.holds(part, node)),
            Logic::All(parts) => parts.iter().all(|part| self.holds(part, node)),
            Logic::Not(inner) => !self.holds(inner, node),
            Logic::Exists(query) => !self.query(query, node).is_empty(),
            Logic::Compare { left, comparison, right } => {
                let (left, right) = (self.value(left, node), self.value(right, node));
                compare(left.as_ref(), *comparison, right.as_ref())
            }
            Logic::Matches { text, pattern } => match self.value(text, node) {
                Some(Tree::Text(text)) => {
                    let pattern = &self.path.patterns[*pattern];
                    pattern.is_match(&mut pattern.cache(), text.as_bytes())
                }
                _ => false,
            },
        }
    }

    fn value(&self, comparable: &Comparable, node: &'t Tree) -> Option<Tree> {
        let count = |count: usize| Tree::Number(count as f64);
        match comparable {
            Comparable::Literal { kind: Kind::Text, bytes } => {
                Some(Tree::Text(String::from_utf8_lossy(bytes).into_owned()))
            }
            Comparable::Literal { bytes, .. } => serde_json::from_slice(bytes).ok(),
            Comparable::Query(query) => self.query(query, node).first().copied().cloned(),
            Comparable::Length(of) => match self.value(of, node)? {
                Tree::Text(text) => Some(count(text.chars().count())),
                Tree::Array(elements) => Some(count(elements.len())),
                Tree::Object(members) => Some(count(members.len())),
                Tree::Null | Tree::Bool(_) | Tree::Number(_) => None,
            },
            Comparable::Count(query) => Some(count(self.query(query, node).len())),
            Comparable::Value(query) => match &self.query(query, node)[..] {
                [one] => Some((*one).clone()),
                _ => None,
            },
        }
    }
}

/// RFC 9535 §2.3.5.2.2.
fn compare(left: Option<&Tree>, comparison: Comparison, right: Option<&Tree>) -> bool {
    let is_equal = |left: Option<&Tree>, right| match (left, right) {
        (Some(left), Some(right)) => same(left, right),
        (left, right) => left.is_none() && right.is_none(),
    };
    let is_less = |left: Option<&Tree>, right: Option<&Tree>| match (left, right) {
        (Some(Tree::Number(left)), Some(Tree::Number(right))) => left < right,
        (Some(Tree::Text(left)), Some(Tree::Text(right))) => left.chars().lt(right.chars()),
        _ => false,
    };
    match comparison {
        Comparison::Equal => is_equal(left, right),
        Comparison::NotEqual => !is_equal(left, right),
        Comparison::Less => is_less(left, right),
        Comparison::AtMost => is_less(left, right) || is_equal(left, right),
        Comparison::Greater => is_less(right, left),
        Comparison::AtLeast => is_less(right, left) || is_equal(left, right),
    }
}

/// Whether two values are equal, for objects without a name that occurs twice.
fn same(left: &Tree, right: &Tree) -> bool {
    match (left, right) {
        (Tree::Array(left), Tree::Array(right)) => {
            left.len() == right.len()
                && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Tree::Object(left), Tree::Object(right)) => {
            let like = |name: &String| right.iter().find(|(other, _)| other == name);
            left.len() == right.len()
                && left.iter().all(|(name, value)| like(name).is_some_and(|(_, v)| same(value, v)))
        }
        _ => left == right,
    }
}

fn has_filter(segments: &[Segment]) -> bool {
    let mut selectors = segments.iter().flat_map(|segment| &segment.selectors);
    selectors.any(|selector| matches!(selector, Selector::Filter(_)))
}

/// Whether the values of a filter are compared here as there: floats have the order of numbers of up to 15
/// digits, and no object has a name twice.
fn is_comparable(text: &[u8], root: &Tree) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E');
    let mut runs = text.split(|byte| !is_part(byte));
    let is_short = |run: &[u8]| {
        let is_number = run.first().is_some_and(u8::is_ascii_digit);
        !is_number || run.len() <= 15 && run.iter().all(|byte| !byte.is_ascii_alphabetic())
    };
    runs.all(is_short) && has_names_once(root)
}

fn has_names_once(tree: &Tree) -> bool {
    let is_once = match tree {
        Tree::Object(members) => {
            let mut names: Vec<&String> = members.iter().map(|(name, _)| name).collect();
            names.sort_unstable();
            names.windows(2).all(|pair| pair[0] != pair[1])
        }
        _ => true,
    };
    is_once && tree.children().into_iter().all(has_names_once)
}

fn tree(value: &Value<'_>) -> Option<Tree> {
    let bytes = value.bytes;
    let is_text = value.kind == Kind::Text;
    let json = if is_text { [b"\"", bytes, b"\""].concat() } else { bytes.to_vec() };
    serde_json::from_slice(&json).ok()
}

/// A path on the first line over the document behind it: what is found is what a tree gives, for all
/// documents that another reader accepts.
pub fn fuzz_json_path(data: &[u8]) {
    let (path, document) = two_parts(data);
    let Ok(text) = std::str::from_utf8(path) else { return };
    let Ok(compiled) = JsonPath::compile(text) else { return };
    let mut found = Vec::new();
    let visited = compiled.visit(document, &mut |value| {
        found.push(value);
        if found.len() < VALUES_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    assert_eq!(compiled.first(document).ok().flatten(), found.first().copied(), "the first");
    let document = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document);
    let Ok(root) = serde_json::from_slice::<Tree>(document) else { return };
    if let Err(error) = visited {
        assert_eq!(error.kind, JsonErrorKind::TooMuchWork, "{error} in what is JSON");
        return;
    }
    if found.len() == VALUES_MAX {
        return;
    }
    let path = path::parse(text).unwrap_or_default();
    if has_filter(&path.segments) && !is_comparable(data, &root) {
        return;
    }
    let whole = Whole { root: &root, path: &path };
    let nodes = whole.evaluate(&path.segments, &root);
    let expected: Vec<Option<Tree>> = nodes.into_iter().cloned().map(Some).collect();
    let found: Vec<Option<Tree>> = found.iter().map(tree).collect();
    assert_eq!(found, expected, "{text}");
}

/// The first line, and the rest.
fn two_parts(data: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr(b'\n', data).unwrap_or(data.len());
    (data.get(..end).unwrap_or_default(), data.get(end + 1..).unwrap_or_default())
}

/// Lines as `Set-Cookie` fields, each a second after the one before; the first byte of a line chooses
/// where it comes from.
pub fn fuzz_cookies(data: &[u8]) {
    const HOSTS: [&str; 4] = ["a.example", "b.a.example", "localhost", "[::1]"];
    const PATHS: [&str; 4] = ["/", "/a/b?c", "/a", ""];
    let mut jar = crate::Jar::new();
    let mut now = 1_800_000_000_000;
    // Pairs that were set, each with whether it may go over plain HTTP, and whether one of the first two hosts
    // set it, which share a domain.
    let mut set: Vec<(Vec<u8>, bool, bool)> = Vec::new();
    for line in data.split(|&byte| byte == b'\n') {
        let Some((&options, field)) = line.split_first() else { continue };
        let host = HOSTS[usize::from(options & 3)];
        let path = PATHS[usize::from(options >> 2 & 3)];
        let from = Destination { host, path, is_secure: options & 16 != 0 };
        now += 1_000;
        let before = jar.len();
        let stored = jar.store(field, &from, now);
        let again = jar.store(field, &from, now);
        match stored {
            Ok(Stored::Removed) => assert_eq!(again, stored),
            Ok(_) => assert_eq!(again, Ok(Stored::Replaced)),
            Err(refused) => assert_eq!((again, jar.len()), (Err(refused), before)),
        }
        assert!(jar.len() <= MAX_COOKIES);
        if let (Ok(_), Ok(cookie)) = (&stored, crate::SetCookie::parse(field)) {
            let pair = match cookie.name {
                b"" => cookie.value.to_vec(),
                name => [name, b"=", cookie.value].concat(),
            };
            set.push((pair, !cookie.is_secure, options & 3 < 2));
        }
        for host in HOSTS {
            let to = Destination { host, ..from };
            let (mut value, mut same) = (Vec::new(), Vec::new());
            let count = jar.write(&to, now, &mut value);
            assert_eq!((jar.write(&to, now, &mut same), &same), (count, &value));
            assert!(count <= jar.len() && value.len() <= count * (MAX_COOKIE_BYTES + 3));
            assert!(value.iter().all(|&byte| byte == b'\t' || !byte.is_ascii_control()));
            for pair in value.split(|&byte| byte == b';').filter(|pair| !pair.is_empty()) {
                let pair = pair.strip_prefix(b" ").unwrap_or(pair);
                let is_related = host.ends_with("a.example");
                let is_it = |(known, is_plain, from_related): &(Vec<u8>, bool, bool)| {
                    known == pair && (*is_plain || to.is_secure) && *from_related == is_related
                };
                assert!(set.iter().any(is_it), "{host} is sent what was not for it: {pair:?}");
            }
            // What is sent could have been set.
            let reread = crate::SetCookie::parse(value.split(|&b| b == b';').next().unwrap_or(b""));
            assert!(count == 0 || !matches!(reread, Err(Refused::ControlCharacter)));
        }
    }
}

fn read(format: Format, pieces: &[&[u8]]) -> Result<Table, RowsError> {
    let mut reader = Reader::new(format, Limits { bytes_max: 1 << 20, rows_max: 1_000 });
    pieces.iter().try_for_each(|piece| reader.push(piece))?;
    reader.finish()
}

/// The rest of the bytes as a file, in pieces: the first byte chooses the format, the second one
/// where it is cut.
pub fn fuzz_rows(data: &[u8]) {
    let [options, cut, text @ ..] = data else { return };
    let formats = [Format::Csv, Format::Tsv, Format::JsonLines];
    let format = formats[usize::from(options % 3)];
    let whole = read(format, &[text]);
    let (first, second) = text.split_at(usize::from(*cut).min(text.len()));
    assert_eq!(read(format, &[first, second]), whole, "in two pieces");
    let Ok(table) = whole else { return };
    let columns = table.columns().len();
    let mut csv = String::new();
    let quote = |csv: &mut String, field: &str, column: usize| {
        csv.push('"');
        csv.push_str(&field.replace('"', "\"\""));
        csv.push_str(if column + 1 == columns { "\"\r\n" } else { "\"," });
    };
    for (column, name) in table.columns().enumerate() {
        quote(&mut csv, name, column);
    }
    for row in 0..table.row_count() {
        for column in 0..columns {
            let field = table.field(row, column).and_then(|field| std::str::from_utf8(field).ok());
            assert!(field.is_some(), "row {row}, column {column}");
            quote(&mut csv, field.unwrap_or_default(), column);
        }
    }
    assert_eq!(table.field(table.row_count(), 0), None);
    let again = read(Format::Csv, &[csv.as_bytes()]);
    assert!(again.as_ref() == Ok(&table) || csv.len() > 1 << 20, "written as CSV and read again");
}

/// A selector on the first line over the page behind it, once for texts and once for an attribute.
#[cfg(feature = "html")]
pub fn fuzz_html(data: &[u8]) {
    let (selector, page) = two_parts(data);
    let Ok(selector) = std::str::from_utf8(selector) else { return };
    let (selector, attribute) = selector.split_once('@').unwrap_or((selector, "value"));
    let programs = [crate::Html::text_of(selector), crate::Html::attribute_of(selector, attribute)];
    for html in programs.into_iter().flatten() {
        let mut all = Vec::new();
        let visited = html.visit(page, &mut |value| {
            all.push(value.to_owned());
            ControlFlow::Continue(())
        });
        let first = html.first(page);
        assert!(visited.is_err() || first == Ok(all.first().cloned()), "{first:?}");
        let longest = all.iter().map(String::len).max().unwrap_or(0);
        // A byte that is not UTF-8 becomes three.
        assert!(longest <= page.len() * 3, "out of nothing");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over_corpus(folder: &str, body: fn(&[u8])) {
        z6_testing::over_corpus(env!("CARGO_MANIFEST_DIR"), folder, body);
    }

    #[test]
    fn json_path_corpus() {
        over_corpus("json_path", fuzz_json_path);
    }

    #[test]
    fn cookies_corpus() {
        over_corpus("cookies", fuzz_cookies);
    }

    #[test]
    fn rows_corpus() {
        over_corpus("rows", fuzz_rows);
    }

    #[cfg(feature = "html")]
    #[test]
    fn html_corpus() {
        over_corpus("html", fuzz_html);
    }

    #[test]
    fn the_witness_finds_what_the_rfc_lists() {
        let root: Tree = serde_json::from_str(r#"{"a": [5, 3, [{"j": 4}, {"k": 6}]]}"#).unwrap();
        let found = |text: &str| {
            let path = path::parse(text).unwrap();
            Whole { root: &root, path: &path }.evaluate(&path.segments, &root).len()
        };
        assert_eq!([found("$..[0]"), found("$..*"), found("$.a[::-1]")], [2, 8, 3]);
        assert_eq!([found("$..j"), found("$.a[0, 0]"), found("$.a[-4]")], [1, 2, 0]);
        assert_eq!([found("$.a[?@ > 3]"), found("$.a[?@[?@.j]]"), found("$[?@ < 1]")], [1, 1, 0]);
    }
}
