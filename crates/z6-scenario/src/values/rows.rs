//! Which row of a data file a virtual user takes: arithmetic on actor, iteration and place, without a
//! cursor that anyone shares.

use super::name_number;
use super::permutation::Permutation;
use crate::random::{Domain, Label, Weights};

/// Whose row it is, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// Of an actor, as long as it lives.
    Vu,
    /// Of an iteration: all uses in it see one row.
    Iteration,
    /// Of each place of an iteration that uses the file.
    Step,
}

/// Where a row is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    /// The VU or arrival.
    pub actor: u64,
    /// Which of its iterations, from 0; an arrival has one.
    pub iteration: u64,
    /// Which of the places of an iteration that use the file, from 0.
    pub place: u64,
}

/// How many rows are dealt out side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deal {
    /// Actors that the schedule ever starts; none in the open model, where each arrival is one.
    pub actors: Option<u64>,
    /// Places of an iteration that use the file.
    pub places: u64,
    /// The populations that use the file take turns: whose turn it is, and of how many.
    pub turn: (u64, u64),
}

/// The order of the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// As in the file, from the beginning again after the last.
    Sequential,
    /// Each pass through the file in an order of its own.
    Shuffled,
    /// Each draw by itself, with replacement, by weight if there are any.
    Random(Option<Weights>),
}

/// The rows of one file.
#[derive(Debug, Clone)]
pub struct Rows {
    count: u64,
    per: Per,
    order: Order,
    is_unique: bool,
    deal: Deal,
    name: u64,
    shuffles: Domain,
    draws: Domain,
}

impl Rows {
    /// `count` rows of the file that the scenario calls `name`. `is_unique`: no row is given out twice.
    #[must_use]
    pub fn new(
        seed: u64,
        name: &str,
        count: u64,
        (per, order, is_unique): (Per, Order, bool),
        deal: Deal,
    ) -> Rows {
        Rows {
            count,
            per,
            order,
            is_unique,
            deal,
            name: name_number(b"data", name),
            shuffles: Domain::new(seed, Label::SHUFFLE),
            draws: Domain::new(seed, Label::DATA_ROW),
        }
    }

    /// As the population of this name draws them by themselves.
    #[must_use]
    pub(crate) fn of_population(self, name: &str) -> Rows {
        Rows { draws: self.draws.of_population(name), ..self }
    }

    /// The number of a draw among all draws of the run: no two draws have the same one. None past 2^64.
    ///
    /// With A actors, VU a has the numbers a, A + a, 2A + a ..: its rows are its own, however fast the others are.
    #[must_use]
    pub fn ordinal(&self, draw: Draw) -> Option<u64> {
        let (turn, turns) = self.deal.turn;
        self.own_ordinal(draw)?.checked_mul(turns)?.checked_add(turn)
    }

    /// The same among the draws of its population.
    fn own_ordinal(&self, draw: Draw) -> Option<u64> {
        let Draw { actor, iteration, place } = draw;
        match (self.per, self.deal.actors) {
            (Per::Vu, _) | (Per::Iteration, None) => Some(actor),
            (Per::Iteration, Some(actors)) => iteration.checked_mul(actors)?.checked_add(actor),
            (Per::Step, None) => actor.checked_mul(self.deal.places)?.checked_add(place),
            (Per::Step, Some(actors)) => {
                let turn = iteration.checked_mul(self.deal.places)?.checked_add(place)?;
                turn.checked_mul(actors)?.checked_add(actor)
            }
        }
    }

    /// The row, from 0; none if the file has no rows, or if they are unique and used up.
    #[must_use]
    pub fn row(&self, draw: Draw) -> Option<u64> {
        if self.count == 0 {
            return None;
        }
        if let Order::Random(weights) = &self.order {
            return Some(self.drawn(draw, weights.as_ref()));
        }
        let ordinal = self.ordinal(draw)?;
        let (pass, place) = (ordinal / self.count, ordinal % self.count);
        if self.is_unique && pass > 0 {
            return None;
        }
        if self.order == Order::Sequential {
            return Some(place);
        }
        let mut generator = self.shuffles.generator(self.name, pass);
        Some(Permutation::new(self.count, &mut generator).at(place))
    }

    /// A draw by itself: from the actor and what its row lasts for, below the file's own key.
    fn drawn(&self, draw: Draw, weights: Option<&Weights>) -> u64 {
        let coordinate = match self.per {
            Per::Vu => 0,
            Per::Iteration => draw.iteration,
            // Wraps only past 2^64 draws of one actor.
            Per::Step => draw.iteration.wrapping_mul(self.deal.places).wrapping_add(draw.place),
        };
        let domain = self.draws.of(self.name);
        match (weights, std::num::NonZeroU64::new(self.count)) {
            (Some(weights), _) => {
                weights.choose(|| domain.generator(draw.actor, coordinate)) as u64
            }
            (None, Some(count)) => domain.generator(draw.actor, coordinate).below(count),
            (None, None) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn rows(count: u64, per: Per, order: Order, is_unique: bool, deal: Deal) -> Rows {
        Rows::new(42, "users", count, (per, order, is_unique), deal)
    }

    const CLOSED: Deal = Deal { actors: Some(4), places: 3, turn: (0, 1) };
    const OPEN: Deal = Deal { actors: None, places: 3, turn: (0, 1) };

    fn draws(actors: u64, iterations: u64, places: u64) -> impl Iterator<Item = Draw> {
        (0..iterations).flat_map(move |iteration| {
            (0..places).flat_map(move |place| {
                (0..actors).map(move |actor| Draw { actor, iteration, place })
            })
        })
    }

    #[test]
    fn ordinals_count_without_gaps_and_repeats() {
        let check = |per, deal: Deal, actors, iterations, places| {
            let rows = rows(1, per, Order::Sequential, false, deal);
            let seen: BTreeSet<u64> =
                draws(actors, iterations, places).map(|draw| rows.ordinal(draw).unwrap()).collect();
            let expected = (actors * iterations * places) as usize;
            assert_eq!(seen.len(), expected);
            assert_eq!(seen.last().copied(), Some(expected as u64 - 1));
        };
        check(Per::Vu, CLOSED, 4, 1, 1);
        check(Per::Iteration, CLOSED, 4, 5, 1);
        check(Per::Step, CLOSED, 4, 5, 3);
        check(Per::Vu, OPEN, 20, 1, 1);
        check(Per::Iteration, OPEN, 20, 1, 1);
        check(Per::Step, OPEN, 20, 1, 3);
    }

    #[test]
    fn sequential_rows_are_striped_over_the_actors_and_wrap() {
        let rows = rows(6, Per::Iteration, Order::Sequential, false, CLOSED);
        let of = |actor, iteration| rows.row(Draw { actor, iteration, place: 0 });
        assert_eq!(
            [of(0, 0), of(3, 0), of(1, 1), of(2, 1), of(0, 3)].map(Option::unwrap),
            [0, 3, 5, 0, 0]
        );
    }

    #[test]
    fn unique_rows_are_each_given_out_once_and_then_none() {
        for order in [Order::Sequential, Order::Shuffled] {
            let rows = rows(11, Per::Iteration, order, true, CLOSED);
            let given: Vec<u64> = draws(4, 4, 1).filter_map(|draw| rows.row(draw)).collect();
            assert_eq!(given.len(), 11);
            assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), 11);
        }
    }

    #[test]
    fn each_pass_has_an_order_of_its_own() {
        let rows = rows(
            50,
            Per::Iteration,
            Order::Shuffled,
            false,
            Deal { actors: Some(1), places: 1, turn: (0, 1) },
        );
        let pass = |pass: u64| -> Vec<u64> {
            (0..50)
                .map(|i| rows.row(Draw { actor: 0, iteration: pass * 50 + i, place: 0 }).unwrap())
                .collect()
        };
        let (first, second) = (pass(0), pass(1));
        assert_ne!(first, second);
        assert_eq!(first.iter().collect::<BTreeSet<_>>(), second.iter().collect::<BTreeSet<_>>());
    }

    #[test]
    fn a_row_drawn_by_weight_depends_on_its_draw_alone() {
        let weights = Weights::new([1, 0, 3]);
        let rows = rows(3, Per::Step, Order::Random(Some(weights)), false, CLOSED);
        let mut counts = [0u32; 3];
        for draw in draws(4, 1_000, 3) {
            let row = rows.row(draw).unwrap();
            assert_eq!(rows.row(draw), Some(row));
            counts[row as usize] += 1;
        }
        assert_eq!(counts[1], 0);
        // 12,000 draws: three standard deviations of the share of 1/4 are 143.
        assert!(counts[0].abs_diff(3_000) < 143, "{counts:?}");
    }

    #[test]
    fn another_name_gives_other_rows() {
        let of = |name| {
            let order = (Per::Vu, Order::Random(None), false);
            let rows = Rows::new(42, name, 1 << 40, order, OPEN);
            rows.row(Draw { actor: 5, iteration: 0, place: 0 }).unwrap()
        };
        assert_ne!(of("users"), of("terms"));
    }

    #[test]
    fn no_rows_and_no_numbers_left_give_none() {
        let draw = Draw { actor: 0, iteration: u64::MAX, place: 2 };
        assert_eq!(rows(0, Per::Vu, Order::Random(None), false, OPEN).row(draw), None);
        assert_eq!(rows(5, Per::Step, Order::Sequential, false, CLOSED).row(draw), None);
    }
}
