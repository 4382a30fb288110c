//! Blocks of steps as places: which step a place is of, which places a draw takes, and which comes next.
//!
//! A block takes as many places as its steps do in one pass, times its passes at most; a branch has places of
//! its own. All of it is numbered in the text: what is drawn or answered elsewhere moves no place. Knows no
//! regions and no actors but as what draws depend on.

use std::iter::Peekable;

use z6_events::Actor;

use crate::journey::{Block, BlockKind, Repeat, SequenceStep};
use crate::load::limits::MAX_NESTING;
use crate::random::{Domain, Weights};

#[cfg(test)]
mod tests;

/// Nodes on the way from the whole list to a step: the list, at most two for each block (itself, a branch),
/// and the step.
const FRAMES: usize = 2 * MAX_NESTING + 2;

/// A step, a block, a branch, or the whole list.
#[derive(Debug, Clone)]
struct Node {
    /// Its first place, counted from that of the pass around it.
    from: u64,
    /// Places of one pass; at least 1.
    places: u64,
    /// Passes.
    repeat: Repeat,
    /// How many draws it stands inside of: each has a domain of its own.
    level: u64,
    inside: Inside,
}

/// What is in a pass.
#[derive(Debug, Clone)]
enum Inside {
    /// The step with this index.
    Step(usize),
    /// These nodes, one after the other: the first of them, and how many.
    All(usize, usize),
    /// One of these nodes.
    One(usize, usize, Weights),
}

/// The domains of draws, and for whom they are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draws {
    pub(super) repeat: Domain,
    pub(super) choice: Domain,
    pub(super) actor: Actor,
    /// The step at which the region begins.
    pub(super) start: u64,
}

impl Draws {
    fn of(domain: Domain, level: u64) -> Domain {
        if level == 0 { domain } else { domain.of(level) }
    }

    /// How many passes there are of a node whose first place is this.
    fn passes(&self, node: &Node, place: u64) -> u64 {
        let Repeat { min, max } = node.repeat;
        if min >= max {
            return u64::from(max);
        }
        let domain = Draws::of(self.repeat, node.level);
        let step = self.start.saturating_add(place);
        domain.generator(self.actor.0, step).uniform(u64::from(min), u64::from(max))
    }

    /// Which branch is taken in a pass that begins at this place.
    fn branch(&self, weights: &Weights, level: u64, place: u64) -> usize {
        let step = self.start.saturating_add(place);
        weights.choose(|| Draws::of(self.choice, level).generator(self.actor.0, step))
    }
}

/// A node on the way to a step, and where it is in it.
#[derive(Debug, Clone, Copy, Default)]
struct Frame {
    node: usize,
    /// Its first place in the region.
    base: u64,
    /// Which pass, from 0.
    pass: u64,
}

/// The way from the whole list to a step.
struct Path {
    frames: [Frame; FRAMES],
    len: usize,
}

impl Path {
    fn push(&mut self, node: usize, base: u64, pass: u64) {
        if let Some(frame) = self.frames.get_mut(self.len) {
            *frame = Frame { node, base, pass };
            self.len += 1;
        }
    }

    /// The innermost.
    fn top(&mut self) -> Option<&mut Frame> {
        self.frames.get_mut(self.len.checked_sub(1)?)
    }
}

/// What comes next on the way.
#[derive(Clone, Copy)]
enum Motion {
    /// The innermost node may begin the pass that its frame names.
    Enter,
    /// The innermost node has done a pass.
    Passed,
}

/// The blocks of a list.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    /// The whole list, then what is in it; nodes that are in one other stand together.
    nodes: Box<[Node]>,
    has_draws: bool,
}

/// A node before it has a place.
struct Draft {
    repeat: Repeat,
    level: u64,
    places: u64,
    inside: DraftInside,
}

enum DraftInside {
    Step(usize),
    All(Vec<Draft>),
    One(Vec<Draft>, Weights),
}

impl Draft {
    fn list(repeat: Repeat, level: u64, all: Vec<Draft>) -> Draft {
        let places = all.iter().map(Draft::all_places).fold(0, u64::saturating_add);
        Draft { repeat, level, places: places.max(1), inside: DraftInside::All(all) }
    }

    /// Places of all its passes.
    fn all_places(&self) -> u64 {
        self.places.saturating_mul(u64::from(self.repeat.max))
    }
}

/// The steps with these indexes.
fn drafts<'b>(
    steps: &[SequenceStep],
    (mut from, end): (usize, usize),
    level: u64,
    blocks: &mut Peekable<impl Iterator<Item = &'b Block>>,
) -> Vec<Draft> {
    let mut all = Vec::new();
    while from < end {
        let is_here = |block: &&Block| {
            block.steps.start == from && block.steps.end <= end && !block.steps.is_empty()
        };
        let Some(block) = blocks.next_if(is_here) else {
            let repeat = steps.get(from).map_or(Repeat::times(1), |step| step.repeat);
            // A step without places takes none.
            if repeat.max > 0 {
                all.push(Draft { repeat, level, places: 1, inside: DraftInside::Step(from) });
            }
            from += 1;
            continue;
        };
        let after = block.steps.end;
        all.push(match &block.kind {
            BlockKind::Repeat(repeat) => {
                let inner = level + u64::from(repeat.min < repeat.max);
                Draft::list(*repeat, level, drafts(steps, (from, after), inner, blocks))
            }
            BlockKind::Choose(branches) => {
                let mut begin = from;
                let mut drafted = |count: usize| {
                    let end = (begin + count).min(after);
                    let all = drafts(steps, (begin, end), level + 1, blocks);
                    begin = end;
                    Draft::list(Repeat::times(1), level + 1, all)
                };
                let inside: Vec<Draft> =
                    branches.iter().map(|branch| drafted(branch.steps)).collect();
                let weights = Weights::new(branches.iter().map(|branch| branch.weight_micro));
                let places = inside.iter().map(Draft::all_places).fold(0, u64::saturating_add);
                let inside = DraftInside::One(inside, weights);
                Draft { repeat: Repeat::times(1), level, places: places.max(1), inside }
            }
        });
        from = after;
    }
    all
}

impl Tree {
    /// None where there are no blocks.
    pub(super) fn new<'b>(
        steps: &[SequenceStep],
        blocks: impl Iterator<Item = &'b Block>,
    ) -> Option<Tree> {
        let mut blocks = blocks.peekable();
        blocks.peek()?;
        let all = drafts(steps, (0, steps.len()), 0, &mut blocks);
        let whole = Draft::list(Repeat::times(1), 0, all);
        let mut nodes = vec![Node::of(&whole, 0)];
        place(&mut nodes, 0, whole);
        let draws = |node: &Node| {
            node.repeat.min < node.repeat.max || matches!(node.inside, Inside::One(..))
        };
        Some(Tree { has_draws: nodes.iter().any(draws), nodes: nodes.into() })
    }

    pub(super) fn has_draws(&self) -> bool {
        self.has_draws
    }

    /// How many places there are.
    pub(super) fn places(&self) -> u64 {
        self.nodes.first().map_or(0, |whole| whole.places)
    }

    /// The way to the step that has a place; none past the last.
    fn path(&self, place: u64) -> Option<Path> {
        if place >= self.places() {
            return None;
        }
        let mut path = Path { frames: [Frame::default(); FRAMES], len: 0 };
        let (mut index, mut base) = (0, 0);
        loop {
            let node = self.nodes.get(index)?;
            let pass = (place - base) / node.places;
            path.push(index, base, pass);
            let begin = base + pass * node.places;
            let (first, count) = match node.inside {
                Inside::Step(_) => return Some(path),
                Inside::All(first, count) | Inside::One(first, count, _) => (first, count),
            };
            let inside = self.nodes.get(first..first + count)?;
            let after = inside.partition_point(|node| begin + node.from <= place);
            index = first + after.checked_sub(1)?;
            base = begin + self.nodes.get(index)?.from;
        }
    }

    /// The index of the step that has a place.
    pub(super) fn step(&self, place: u64) -> Option<usize> {
        let mut path = self.path(place)?;
        let node = self.nodes.get(path.top()?.node)?;
        match node.inside {
            Inside::Step(index) => Some(index),
            Inside::All(..) | Inside::One(..) => None,
        }
    }

    /// Whether draws take a place.
    pub(super) fn is_taken(&self, draws: &Draws, place: u64) -> bool {
        let Some(path) = self.path(place) else { return false };
        let frames = path.frames.get(..path.len).unwrap_or_default();
        let is_taken = |(i, frame): (usize, &Frame)| {
            let Some(node) = self.nodes.get(frame.node) else { return false };
            let is_chosen = match &node.inside {
                Inside::Step(_) | Inside::All(..) => true,
                Inside::One(first, _, weights) => {
                    let begin = frame.base + frame.pass * node.places;
                    let branch = first + draws.branch(weights, node.level, begin);
                    frames.get(i + 1).is_none_or(|next| next.node == branch)
                }
            };
            is_chosen && frame.pass < draws.passes(node, frame.base)
        };
        frames.iter().enumerate().all(is_taken)
    }

    /// The first place that is taken.
    pub(super) fn first(&self, draws: &Draws) -> Option<u64> {
        let mut path = Path { frames: [Frame::default(); FRAMES], len: 0 };
        path.push(0, 0, 0);
        self.go(draws, path, Motion::Enter)
    }

    /// The place that is taken after this one.
    pub(super) fn next(&self, draws: &Draws, place: u64) -> Option<u64> {
        self.go(draws, self.path(place)?, Motion::Passed)
    }

    fn go(&self, draws: &Draws, mut path: Path, mut motion: Motion) -> Option<u64> {
        loop {
            let frame = path.top()?;
            let node = self.nodes.get(frame.node)?;
            if let Motion::Passed = motion {
                frame.pass += 1;
                motion = Motion::Enter;
            }
            if frame.pass < draws.passes(node, frame.base) {
                let begin = frame.base + frame.pass * node.places;
                let index = match &node.inside {
                    Inside::Step(_) => return Some(begin),
                    Inside::All(first, _) => *first,
                    Inside::One(first, _, weights) => {
                        first + draws.branch(weights, node.level, begin)
                    }
                };
                let base = begin + self.nodes.get(index)?.from;
                path.push(index, base, 0);
                continue;
            }
            // This node is done: on to the one beside it, or to the end of the pass around it.
            let done = frame.node;
            path.len -= 1;
            let around = path.top()?;
            let node = self.nodes.get(around.node)?;
            match node.inside {
                Inside::All(first, count) if done + 1 < first + count => {
                    let begin = around.base + around.pass * node.places;
                    let base = begin + self.nodes.get(done + 1)?.from;
                    path.push(done + 1, base, 0);
                }
                Inside::All(..) | Inside::One(..) | Inside::Step(_) => motion = Motion::Passed,
            }
        }
    }

    /// How many places before this one are of steps that count.
    pub(super) fn count_before(&self, place: u64, counts: &impl Fn(usize) -> bool) -> u64 {
        let Some(path) = self.path(place) else { return 0 };
        let frames = path.frames.get(..path.len).unwrap_or_default();
        let of_frame = |frame: &Frame| {
            let Some(node) = self.nodes.get(frame.node) else { return 0 };
            let passed = frame.pass * self.count_in(node, counts);
            let begin = frame.base + frame.pass * node.places;
            let beside = match node.inside {
                Inside::Step(_) => 0,
                Inside::All(first, count) | Inside::One(first, count, _) => {
                    let inside = self.nodes.get(first..first + count).unwrap_or_default();
                    let before = |node: &&Node| {
                        begin + node.from + node.places * u64::from(node.repeat.max) <= place
                    };
                    inside.iter().take_while(before).map(|node| self.count_all(node, counts)).sum()
                }
            };
            passed + beside
        };
        frames.iter().map(of_frame).sum()
    }

    /// How many places are of steps that count.
    pub(super) fn count(&self, counts: &impl Fn(usize) -> bool) -> u64 {
        self.nodes.first().map_or(0, |whole| self.count_all(whole, counts))
    }

    fn count_all(&self, node: &Node, counts: &impl Fn(usize) -> bool) -> u64 {
        u64::from(node.repeat.max) * self.count_in(node, counts)
    }

    /// In one pass.
    fn count_in(&self, node: &Node, counts: &impl Fn(usize) -> bool) -> u64 {
        match node.inside {
            Inside::Step(index) => u64::from(counts(index)),
            Inside::All(first, count) | Inside::One(first, count, _) => {
                let inside = self.nodes.get(first..first + count).unwrap_or_default();
                inside.iter().map(|node| self.count_all(node, counts)).sum()
            }
        }
    }
}

impl Node {
    /// Without what is in it.
    fn of(draft: &Draft, from: u64) -> Node {
        let Draft { repeat, level, places, .. } = *draft;
        Node { from, places, repeat, level, inside: Inside::All(0, 0) }
    }
}

/// Puts what is in a draft behind the nodes.
fn place(nodes: &mut Vec<Node>, index: usize, draft: Draft) {
    let first = nodes.len();
    let (inside, drafts) = match draft.inside {
        DraftInside::Step(step) => (Inside::Step(step), Vec::new()),
        DraftInside::All(all) => (Inside::All(first, all.len()), all),
        DraftInside::One(all, weights) => (Inside::One(first, all.len(), weights), all),
    };
    if let Some(node) = nodes.get_mut(index) {
        node.inside = inside;
    }
    let mut from = 0u64;
    for draft in &drafts {
        nodes.push(Node::of(draft, from));
        from = from.saturating_add(draft.all_places());
    }
    for (i, draft) in drafts.into_iter().enumerate() {
        place(nodes, first + i, draft);
    }
}
