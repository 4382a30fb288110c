//! Blocks of steps as places: which step a place is of, which places a draw takes, and which comes next.
//!
//! A block takes as many places as its steps do in one pass, times its passes at most; a branch has places of
//! its own. All of it is numbered in the text: what is drawn or answered elsewhere moves no place. Knows no
//! regions and no actors but as what draws depend on.

use std::iter::Peekable;

use z6_events::Actor;

use crate::journey::{Block, BlockKind, ConditionId, Loop, Repeat, SequenceStep};
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
    /// Passes that have places; they are drawn if it is a range.
    repeat: Repeat,
    /// What each pass depends on.
    gate: Option<Gate>,
    /// How many draws it stands inside of: each has a domain of its own.
    level: u64,
    inside: Inside,
}

/// A condition that is asked when its turn has come.
#[derive(Debug, Clone, Copy)]
struct Gate {
    condition: ConditionId,
    /// It is asked after each pass, and ends the block; otherwise before, and lets a pass begin.
    is_until: bool,
    /// The pause before each pass but the first.
    pause_ns: u64,
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
    /// At the beginning of the whole list.
    fn whole() -> Path {
        let mut path = Path { frames: [Frame::default(); FRAMES], len: 0 };
        path.push(0, 0, 0);
        path
    }

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
    /// The innermost node begins the pass that its frame names.
    Begin,
    /// The innermost node has done a pass.
    Passed,
    /// The innermost node does no more.
    Done,
}

/// Where a walk comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TreeWay {
    /// To a place, after a pause.
    Place { place: u64, pause_ns: u64 },
    /// To a condition, which is asked.
    Asks(TreeQuestion),
    /// Past the last pass of an `until`, whose condition does not hold: to the place of the request that
    /// fails.
    Limit { place: u64 },
    /// Past the last place.
    End,
}

/// A condition that is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TreeQuestion {
    pub(super) condition: ConditionId,
    /// The first place of the pass that it is about.
    pub(super) place: u64,
    node: usize,
    /// The pause before what comes next, in any case, and if that pass comes.
    pause_ns: u64,
    pause_if_ns: u64,
}

/// The blocks of a list.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    /// The whole list, then what is in it; nodes that are in one other stand together.
    nodes: Box<[Node]>,
    has_draws: bool,
    has_gates: bool,
}

/// A node before it has a place.
struct Draft {
    repeat: Repeat,
    gate: Option<Gate>,
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
        Draft { repeat, gate: None, level, places: places.max(1), inside: DraftInside::All(all) }
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
                let inside = DraftInside::Step(from);
                all.push(Draft { repeat, gate: None, level, places: 1, inside });
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
                Draft { repeat: Repeat::times(1), gate: None, level, places: places.max(1), inside }
            }
            BlockKind::If(condition) => {
                let once = Loop { condition: *condition, max: 1, pause_ns: 0 };
                gated(once, false, drafts(steps, (from, after), level, blocks), level)
            }
            BlockKind::While(again) | BlockKind::ForEach(again) => {
                gated(*again, false, drafts(steps, (from, after), level, blocks), level)
            }
            BlockKind::Until(again) => {
                gated(*again, true, drafts(steps, (from, after), level, blocks), level)
            }
        });
        from = after;
    }
    all
}

/// A block that a condition decides on. The last pass of an `until` is not done.
fn gated(again: Loop, is_until: bool, all: Vec<Draft>, level: u64) -> Draft {
    let passes = Repeat::times(again.max.saturating_add(u32::from(is_until)));
    let gate = Gate { condition: again.condition, is_until, pause_ns: again.pause_ns };
    Draft { gate: Some(gate), ..Draft::list(passes, level, all) }
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
        Some(Tree {
            has_draws: nodes.iter().any(draws),
            has_gates: nodes.iter().any(|node| node.gate.is_some()),
            nodes: nodes.into(),
        })
    }

    /// Whether conditions decide which places are taken.
    pub(super) fn has_gates(&self) -> bool {
        self.has_gates
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

    /// Whether draws take a place, and conditions may.
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
            is_chosen && frame.pass < draws.passes(node, frame.base) - u64::from(node.is_until())
        };
        frames.iter().enumerate().all(is_taken)
    }

    /// Whether a condition decides on a place.
    pub(super) fn is_asked(&self, place: u64) -> bool {
        let Some(path) = self.path(place) else { return false };
        let frames = path.frames.get(..path.len).unwrap_or_default();
        let is_asked = |frame: &Frame| {
            let node = self.nodes.get(frame.node);
            node.is_some_and(|node| node.gate.is_some() && (!node.is_until() || frame.pass > 0))
        };
        frames.iter().any(is_asked)
    }

    /// In which pass of the block that a condition decides on a place is, from 0.
    pub(super) fn pass(&self, place: u64, condition: ConditionId) -> Option<u64> {
        let path = self.path(place)?;
        let frames = path.frames.get(..path.len).unwrap_or_default();
        let decides = |frame: &&Frame| {
            let gate = self.nodes.get(frame.node).and_then(|node| node.gate);
            gate.is_some_and(|gate| gate.condition == condition)
        };
        frames.iter().find(decides).map(|frame| frame.pass)
    }

    /// The way to the first place.
    pub(super) fn enter(&self, draws: &Draws) -> TreeWay {
        self.go(draws, Path::whole(), Motion::Enter, false)
    }

    /// The way on from a place.
    pub(super) fn go_on(&self, draws: &Draws, place: u64) -> TreeWay {
        match self.path(place) {
            Some(path) => self.go(draws, path, Motion::Passed, false),
            None => TreeWay::End,
        }
    }

    /// The way on from a condition that was asked.
    pub(super) fn answer(&self, draws: &Draws, question: &TreeQuestion, holds: bool) -> TreeWay {
        let Some(mut path) = self.path(question.place) else { return TreeWay::End };
        let is_it = |frame: &Frame| frame.node == question.node;
        let (Some(len), Some(node)) =
            (path.frames.iter().position(is_it), self.nodes.get(question.node))
        else {
            return TreeWay::End;
        };
        path.len = len + 1;
        let pass = path.top().map_or(0, |frame| frame.pass);
        let goes_on = holds != node.is_until();
        if goes_on && node.is_until() && pass + 1 >= u64::from(node.repeat.max) {
            return match self.go(draws, path, Motion::Begin, true) {
                TreeWay::Place { place, .. } => TreeWay::Limit { place },
                other => other,
            };
        }
        let motion = if goes_on { Motion::Begin } else { Motion::Done };
        let pause_if_ns = if goes_on { question.pause_if_ns } else { 0 };
        let mut way = self.go(draws, path, motion, false);
        let before = question.pause_ns.max(pause_if_ns);
        if let TreeWay::Place { pause_ns, .. } | TreeWay::Asks(TreeQuestion { pause_ns, .. }) =
            &mut way
        {
            *pause_ns = before.max(*pause_ns);
        }
        way
    }

    /// The first place that is taken, if every `if` and `while` holds.
    pub(super) fn first(&self, draws: &Draws) -> Option<u64> {
        match self.go(draws, Path::whole(), Motion::Enter, true) {
            TreeWay::Place { place, .. } => Some(place),
            TreeWay::Asks(_) | TreeWay::Limit { .. } | TreeWay::End => None,
        }
    }

    /// The place that is taken after this one, if every `if` and `while` holds and no `until` does.
    pub(super) fn next(&self, draws: &Draws, place: u64) -> Option<u64> {
        match self.go(draws, self.path(place)?, Motion::Passed, true) {
            TreeWay::Place { place, .. } => Some(place),
            TreeWay::Asks(_) | TreeWay::Limit { .. } | TreeWay::End => None,
        }
    }

    fn go(&self, draws: &Draws, path: Path, motion: Motion, takes_all: bool) -> TreeWay {
        self.walk(draws, path, motion, takes_all).unwrap_or(TreeWay::End)
    }

    /// `takes_all`: no condition is asked, and all places are taken that may be.
    fn walk(
        &self,
        draws: &Draws,
        mut path: Path,
        mut motion: Motion,
        takes_all: bool,
    ) -> Option<TreeWay> {
        loop {
            let frame = path.top()?;
            let node = self.nodes.get(frame.node)?;
            motion = match motion {
                Motion::Passed => {
                    frame.pass += 1;
                    let is_last = frame.pass >= draws.passes(node, frame.base);
                    match node.gate {
                        Some(gate) if gate.is_until && takes_all => {
                            // The pass behind the last is not done.
                            match frame.pass + 1 < u64::from(node.repeat.max) {
                                true => Motion::Begin,
                                false => Motion::Done,
                            }
                        }
                        Some(gate) if gate.is_until && !is_last => {
                            let (condition, pause_if_ns) = (gate.condition, gate.pause_ns);
                            let place = frame.base + frame.pass * node.places;
                            let node = frame.node;
                            let question =
                                TreeQuestion { condition, place, node, pause_ns: 0, pause_if_ns };
                            return Some(TreeWay::Asks(question));
                        }
                        _ if is_last => Motion::Done,
                        _ => Motion::Enter,
                    }
                }
                Motion::Enter => match node.gate {
                    _ if frame.pass >= draws.passes(node, frame.base) => Motion::Done,
                    Some(gate) if !gate.is_until && !takes_all => {
                        let pause_if_ns = if frame.pass > 0 { gate.pause_ns } else { 0 };
                        return Some(TreeWay::Asks(TreeQuestion {
                            condition: gate.condition,
                            place: frame.base + frame.pass * node.places,
                            node: frame.node,
                            pause_ns: 0,
                            pause_if_ns,
                        }));
                    }
                    _ => Motion::Begin,
                },
                Motion::Begin => {
                    let begin = frame.base + frame.pass * node.places;
                    let index = match &node.inside {
                        Inside::Step(_) => {
                            return Some(TreeWay::Place { place: begin, pause_ns: 0 });
                        }
                        Inside::All(first, _) => *first,
                        Inside::One(first, _, weights) => {
                            first + draws.branch(weights, node.level, begin)
                        }
                    };
                    path.push(index, begin + self.nodes.get(index)?.from, 0);
                    Motion::Enter
                }
                Motion::Done => {
                    // On to the node beside it, or to the end of the pass around it.
                    let done = frame.node;
                    path.len -= 1;
                    let around = path.top()?;
                    let node = self.nodes.get(around.node)?;
                    match node.inside {
                        Inside::All(first, count) if done + 1 < first + count => {
                            let begin = around.base + around.pass * node.places;
                            path.push(done + 1, begin + self.nodes.get(done + 1)?.from, 0);
                            Motion::Enter
                        }
                        Inside::All(..) | Inside::One(..) | Inside::Step(_) => Motion::Passed,
                    }
                }
            };
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
    fn is_until(&self) -> bool {
        self.gate.is_some_and(|gate| gate.is_until)
    }

    /// Without what is in it.
    fn of(draft: &Draft, from: u64) -> Node {
        let Draft { repeat, gate, level, places, .. } = *draft;
        Node { from, places, repeat, gate, level, inside: Inside::All(0, 0) }
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
