//! Blocks against a naive model: the list is unrolled, and each draw is made again.

use proptest::prelude::*;
use z6_events::RequestId;

use super::*;
use crate::journey::{Branch, FlowPart};
use crate::random::Label;

/// What a test says of a list.
#[derive(Debug, Clone)]
enum Part {
    Step(u32, u32),
    Repeat(u32, u32, Vec<Part>),
    Choose(Vec<(u64, Vec<Part>)>),
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let step = (1u32..4, 0u32..3).prop_map(|(min, more)| Part::Step(min, min + more));
    let part = step.prop_recursive(4, 40, 3, |inner| {
        let list = prop::collection::vec(inner, 1..4);
        prop_oneof![
            (1u32..3, 0u32..3, list.clone()).prop_map(|(min, more, list)| Part::Repeat(
                min,
                min + more,
                list
            )),
            prop::collection::vec((1u64..9, list), 1..4).prop_map(Part::Choose),
        ]
    });
    prop::collection::vec(part, 1..4)
}

/// The model of a scenario.
#[derive(Default)]
struct Written {
    steps: Vec<SequenceStep>,
    blocks: Vec<Block>,
}

impl Written {
    fn write(&mut self, parts: &[Part]) {
        for part in parts {
            let start = self.steps.len();
            match part {
                Part::Step(min, max) => self.steps.push(SequenceStep {
                    request: RequestId(start as u16),
                    repeat: Repeat { min: *min, max: *max },
                    on_failure: None,
                    think_time: None,
                }),
                Part::Repeat(min, max, list) => {
                    let repeat = Repeat { min: *min, max: *max };
                    self.block(BlockKind::Repeat(repeat), |written| written.write(list));
                }
                Part::Choose(branches) => {
                    let mut sizes = Vec::new();
                    let at = self.blocks.len();
                    self.block(BlockKind::Choose(Vec::new()), |written| {
                        for (weight, list) in branches {
                            let before = written.steps.len();
                            written.write(list);
                            let steps = written.steps.len() - before;
                            sizes.push(Branch { weight_micro: *weight, steps });
                        }
                    });
                    self.blocks[at].kind = BlockKind::Choose(sizes);
                }
            }
        }
    }

    fn block(&mut self, kind: BlockKind, inside: impl FnOnce(&mut Written)) {
        let (start, at) = (self.steps.len(), self.blocks.len());
        self.blocks.push(Block { part: FlowPart::Steps, steps: start..start, kind });
        inside(self);
        self.blocks[at].steps.end = self.steps.len();
    }
}

/// Unrolls a list: of each place its step, and whether it is taken.
struct Model<'d> {
    draws: &'d Draws,
    next_step: usize,
    places: Vec<(usize, bool)>,
}

impl Model<'_> {
    fn drawn(&self, min: u32, max: u32, level: u64) -> u64 {
        if min == max {
            return u64::from(max);
        }
        let domain = if level == 0 { self.draws.repeat } else { self.draws.repeat.of(level) };
        let step = self.draws.start + self.places.len() as u64;
        domain.generator(self.draws.actor.0, step).uniform(u64::from(min), u64::from(max))
    }

    fn list(&mut self, parts: &[Part], level: u64, is_taken: bool) {
        for part in parts {
            match part {
                Part::Step(min, max) => {
                    let times = self.drawn(*min, *max, level);
                    for time in 0..u64::from(*max) {
                        self.places.push((self.next_step, is_taken && time < times));
                    }
                    self.next_step += 1;
                }
                Part::Repeat(min, max, list) => {
                    let times = self.drawn(*min, *max, level);
                    let first = self.next_step;
                    for time in 0..u64::from(*max) {
                        self.next_step = first;
                        self.list(list, level + u64::from(min < max), is_taken && time < times);
                    }
                }
                Part::Choose(branches) => {
                    let domain =
                        if level == 0 { self.draws.choice } else { self.draws.choice.of(level) };
                    let step = self.draws.start + self.places.len() as u64;
                    let weights = Weights::new(branches.iter().map(|(weight, _)| *weight));
                    let chosen = weights.choose(|| domain.generator(self.draws.actor.0, step));
                    for (i, (_, list)) in branches.iter().enumerate() {
                        self.list(list, level + 1, is_taken && i == chosen);
                    }
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn places_are_those_of_the_unrolled_list(
        parts in parts(),
        seed in any::<u64>(),
        actor in 0u64..1_000,
        start in 0u64..1_000_000,
    ) {
        let mut written = Written::default();
        written.write(&parts);
        let Some(tree) = Tree::new(&written.steps, written.blocks.iter()) else {
            prop_assert!(written.blocks.is_empty());
            return Ok(());
        };
        let domain = |label| Domain::new(seed, label);
        let (repeat, choice) = (domain(Label::REPEAT), domain(Label::CHOICE));
        let draws = Draws { repeat, choice, actor: Actor(actor), start };
        let mut model = Model { draws: &draws, next_step: 0, places: Vec::new() };
        model.list(&parts, 0, true);
        let Model { places, .. } = model;
        prop_assert_eq!(tree.places(), places.len() as u64);
        let is_odd = |step: usize| step % 2 == 1;
        let mut odd = 0;
        for (place, (step, is_taken)) in (0u64..).zip(&places) {
            prop_assert_eq!(tree.step(place), Some(*step));
            prop_assert_eq!(tree.is_taken(&draws, place), *is_taken, "place {}", place);
            prop_assert_eq!(tree.count_before(place, &is_odd), odd, "before {}", place);
            odd += u64::from(is_odd(*step));
        }
        prop_assert_eq!(tree.count(&is_odd), odd);
        prop_assert_eq!(tree.step(places.len() as u64), None);
        let taken: Vec<u64> =
            (0u64..).zip(&places).filter(|(_, (_, taken))| *taken).map(|(place, _)| place).collect();
        let next = |place: &u64| tree.next(&draws, *place);
        let walked: Vec<u64> = std::iter::successors(tree.first(&draws), next).collect();
        prop_assert_eq!(walked, taken);
    }
}

/// A choice inside of a choice, at the same place, is not decided by it.
#[test]
fn nested_draws_are_independent() {
    let mut written = Written::default();
    let step = || vec![Part::Step(1, 1)];
    let inner = Part::Choose(vec![(1, step()), (1, step())]);
    let outer = Part::Choose(vec![(1, vec![inner.clone()]), (1, vec![inner])]);
    written.write(&[outer]);
    let tree = Tree::new(&written.steps, written.blocks.iter()).unwrap();
    let domain = |label| Domain::new(7, label);
    let (repeat, choice) = (domain(Label::REPEAT), domain(Label::CHOICE));
    let mut counts = [0u32; 4];
    for actor in (0..40_000).map(Actor) {
        let draws = Draws { repeat, choice, actor, start: 0 };
        counts[tree.first(&draws).unwrap() as usize] += 1;
    }
    // 10,000 each, within six standard deviations.
    assert!(counts.iter().all(|count| (9_480..10_520).contains(count)), "{counts:?}");
}
