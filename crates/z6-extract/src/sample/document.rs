//! JSON documents that grow: each path that is asked for leads somewhere in them.

use crate::json::JsonPath;
use crate::json::path::{Logic, Segment, Selector};
use crate::pattern::Pattern;

use super::Draw;

/// An array has no more elements than this.
const ELEMENTS_MAX: usize = 10_000;

/// A JSON document. What nothing is said of is 0.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document {
    root: Node,
    /// Elements that were made for a filter.
    selected: Vec<Selected>,
}

/// A place in a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spot(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Member(Box<str>),
    Element(usize),
}

#[derive(Debug, Clone, Default, PartialEq)]
enum Node {
    #[default]
    Free,
    /// As it is written.
    Value(Vec<u8>),
    Object(Vec<(Box<str>, Node)>),
    Array(Vec<Node>),
}

#[derive(Debug, Clone, PartialEq)]
struct Selected {
    of: Spot,
    by: Logic,
    spot: Spot,
}

/// What of the paths does not change on the way.
pub(super) struct Way<'p, 'd> {
    pub(super) patterns: &'p [Pattern],
    /// Which value of several is wanted: at the first place where there may be several.
    pub(super) nth: usize,
    pub(super) draw: Draw<'d>,
}

impl Document {
    /// Makes the document have a value where the path finds its n-th one, counted from 0, and says where
    /// that is. None if that cannot be done.
    pub fn locate(&mut self, path: &JsonPath, nth: usize, draw: Draw<'_>) -> Option<Spot> {
        let path = path.parsed();
        let mut spot = None;
        for nth in 0..=nth.min(ELEMENTS_MAX) {
            let mut way = Way { patterns: &path.patterns, nth, draw: &mut *draw };
            spot = Some(self.walk(Spot::default(), &path.segments, &mut way)?);
        }
        spot
    }

    /// Sets a text. Whether there can be one: not where something lies inside.
    pub fn set_text(&mut self, spot: &Spot, text: &[u8]) -> bool {
        let mut json = Vec::new();
        write_text(&String::from_utf8_lossy(text), &mut json);
        self.set(spot, json)
    }

    /// Sets a number, a flag, or what else is written in JSON. Whether there can be one: not where
    /// something lies inside.
    pub fn set_literal(&mut self, spot: &Spot, literal: &[u8]) -> bool {
        self.set(spot, literal.to_vec())
    }

    fn set(&mut self, spot: &Spot, json: Vec<u8>) -> bool {
        match self.node(spot) {
            Some(node @ (Node::Free | Node::Value(_))) => {
                *node = Node::Value(json);
                true
            }
            Some(Node::Object(_) | Node::Array(_)) | None => false,
        }
    }

    /// Whether nothing is said of a place yet.
    pub fn is_free(&mut self, spot: &Spot) -> bool {
        matches!(self.node(spot), Some(Node::Free))
    }

    /// Whether nothing is said of the whole document.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self.root, Node::Free)
    }

    /// The document as it is sent.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.root.write(&mut out);
        out
    }

    /// A member of the document that no path asks for, for a text that has to be somewhere.
    pub fn spare(&mut self) -> Option<Spot> {
        let members = self.members(&Spot::default())?;
        let name = (0..)
            .map(|n| format!("x{n}"))
            .find(|name| members.iter().all(|(other, _)| **other != **name))?;
        self.child(Spot::default(), Step::Member(name.into()))
    }

    fn node(&mut self, spot: &Spot) -> Option<&mut Node> {
        spot.0.iter().try_fold(&mut self.root, |node, step| match (node, step) {
            (Node::Object(members), Step::Member(name)) => {
                members.iter_mut().find(|(other, _)| other == name).map(|(_, node)| node)
            }
            (Node::Array(elements), Step::Element(index)) => elements.get_mut(*index),
            _ => None,
        })
    }

    fn members(&mut self, spot: &Spot) -> Option<&mut Vec<(Box<str>, Node)>> {
        let node = self.node(spot)?;
        if matches!(node, Node::Free) {
            *node = Node::Object(Vec::new());
        }
        match node {
            Node::Object(members) => Some(members),
            Node::Free | Node::Value(_) | Node::Array(_) => None,
        }
    }

    fn elements(&mut self, spot: &Spot) -> Option<&mut Vec<Node>> {
        let node = self.node(spot)?;
        if matches!(node, Node::Free) {
            *node = Node::Array(Vec::new());
        }
        match node {
            Node::Array(elements) => Some(elements),
            Node::Free | Node::Value(_) | Node::Object(_) => None,
        }
    }

    /// The place one step below, which there is afterwards.
    fn child(&mut self, mut at: Spot, step: Step) -> Option<Spot> {
        match &step {
            Step::Member(name) => {
                let members = self.members(&at)?;
                if members.iter().all(|(other, _)| other != name) {
                    members.push((name.clone(), Node::Free));
                }
            }
            Step::Element(index) => {
                let elements = self.elements(&at)?;
                if *index >= ELEMENTS_MAX {
                    return None;
                }
                if elements.len() <= *index {
                    elements.resize(index + 1, Node::Free);
                }
            }
        }
        at.0.push(step);
        Some(at)
    }

    /// Where segments lead from a place.
    pub(super) fn walk(
        &mut self,
        from: Spot,
        segments: &[Segment],
        way: &mut Way<'_, '_>,
    ) -> Option<Spot> {
        // A descendant is taken to be a child.
        segments.iter().try_fold(from, |at, segment| {
            segment.selectors.iter().find_map(|selector| self.select(&at, selector, way))
        })
    }

    fn select(&mut self, at: &Spot, selector: &Selector, way: &mut Way<'_, '_>) -> Option<Spot> {
        let step = match selector {
            Selector::Name(name) => Step::Member(name.clone()),
            Selector::Index(index) => Step::Element(self.position(at, *index)?),
            Selector::Slice { start, end, step } => {
                let nth = std::mem::take(&mut way.nth);
                self.slice(at, (*start, *end, *step), nth)?
            }
            Selector::Wildcard => {
                let nth = std::mem::take(&mut way.nth);
                match self.node(at)? {
                    Node::Object(members) => match members.get(nth) {
                        Some((name, _)) => Step::Member(name.clone()),
                        None => Step::Member(format!("m{nth}").into()),
                    },
                    Node::Free | Node::Value(_) | Node::Array(_) => Step::Element(nth),
                }
            }
            Selector::Filter(logic) => return self.selected(at, logic, way),
        };
        self.child(at.clone(), step)
    }

    /// A position in an array; one that is negative counts from the end, so that there have to be so many
    /// elements.
    fn position(&mut self, at: &Spot, index: i64) -> Option<usize> {
        if let Ok(index) = usize::try_from(index) {
            return Some(index);
        }
        let back = usize::try_from(index.checked_neg()?).ok()?;
        let elements = self.elements(at)?.len().max(back);
        self.child(at.clone(), Step::Element(elements - 1))?;
        Some(elements - back)
    }

    /// The n-th element of a slice.
    fn slice(
        &mut self,
        at: &Spot,
        (start, end, step): (Option<i64>, Option<i64>, i64),
        nth: usize,
    ) -> Option<Step> {
        let offset = i64::try_from(nth).ok()?.checked_mul(step)?;
        let first = match start {
            Some(start) => i64::try_from(self.position(at, start)?).ok()?,
            None if step > 0 => 0,
            // From the last one down.
            None => i64::try_from(self.elements(at)?.len().max(nth + 1)).ok()? - 1,
        };
        let index = usize::try_from(first.checked_add(offset)?).ok()?;
        let behind = match end {
            Some(end) if end < 0 => usize::try_from(end.checked_neg()?).ok()?,
            Some(end) if step > 0 && usize::try_from(end).ok()? <= index => return None,
            Some(_) | None => 0,
        };
        if step == 0 {
            return None;
        }
        // What is left out at the end has to be there, and so does the first one.
        let last = (index + behind).max(usize::try_from(first).ok()?);
        self.child(at.clone(), Step::Element(last))?;
        Some(Step::Element(index))
    }

    /// The n-th child for which a filter holds.
    fn selected(&mut self, at: &Spot, logic: &Logic, way: &mut Way<'_, '_>) -> Option<Spot> {
        let nth = std::mem::take(&mut way.nth);
        let mut known = self.selected.iter().filter(|known| known.of == *at && known.by == *logic);
        if let Some(known) = known.nth(nth) {
            return Some(known.spot.clone());
        }
        let step = match self.node(at)? {
            Node::Object(members) => Step::Member(format!("m{}", members.len()).into()),
            Node::Array(elements) => Step::Element(elements.len()),
            Node::Free | Node::Value(_) => Step::Element(0),
        };
        let spot = self.child(at.clone(), step)?;
        if !self.satisfy(logic, &spot, way) {
            return None;
        }
        self.selected.push(Selected { of: at.clone(), by: logic.clone(), spot: spot.clone() });
        Some(spot)
    }
}

impl Node {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Node::Free => out.push(b'0'),
            Node::Value(json) => out.extend_from_slice(json),
            Node::Object(members) => {
                out.push(b'{');
                for (i, (name, node)) in members.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    write_text(name, out);
                    out.push(b':');
                    node.write(out);
                }
                out.push(b'}');
            }
            Node::Array(elements) => {
                out.push(b'[');
                for (i, node) in elements.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    node.write(out);
                }
                out.push(b']');
            }
        }
    }
}

/// A text in quotes (RFC 8259 section 7).
fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for c in text.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\0'..='\x1f' => out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes()),
            _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}
