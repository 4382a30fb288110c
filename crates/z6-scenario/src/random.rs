//! Generators derived from (seed, label, actor, step), and draws on integers.
//!
//! Owns the derivation and every draw; both are part of the log format and frozen with golden
//! vectors. Knows nothing of scenarios, schedules or time. docs/DETERMINISM.md writes it all out.

use std::num::NonZeroU64;
use std::sync::Arc;

use rand_core::Rng;
use rand_pcg::Pcg64;

#[cfg(test)]
mod tests;

/// The version of the derivation and of all draws: rises when any of them changes.
pub const DERIVATION_VERSION: u64 = 1;

/// The odd number nearest to 2^64 divided by the golden ratio: the gap between SplitMix64 states.
const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// What a generator is for. Two labels never share a generator.
///
/// The number is eight ASCII bytes read as little endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label(u64);

impl Label {
    /// Which target an iteration goes to; the step is the iteration's number.
    pub const TARGET: Label = Label(u64::from_le_bytes(*b"target  "));
    /// Which request a step sends.
    pub const REQUEST: Label = Label(u64::from_le_bytes(*b"request "));
    /// How long the pause after a step is.
    pub const THINK: Label = Label(u64::from_le_bytes(*b"think   "));
    /// The gap before arrival n; the actor is n, the step 0.
    pub const ARRIVAL: Label = Label(u64::from_le_bytes(*b"arrival "));
    /// How many places of a step that is repeated are taken; the step is that of its first place.
    pub const REPEAT: Label = Label(u64::from_le_bytes(*b"repeat  "));
    /// Which branch of a choice is taken; the step is that of the first place of the choice.
    pub const CHOICE: Label = Label(u64::from_le_bytes(*b"choice  "));
    /// Which data row a draw takes that is made by itself.
    pub const DATA_ROW: Label = Label(u64::from_le_bytes(*b"data row"));
    /// The order of a data file; the actor is the number of the file's name, the step the pass.
    pub const SHUFFLE: Label = Label(u64::from_le_bytes(*b"shuffle "));
    /// Reserved: values that templates make up.
    pub const TEMPLATE: Label = Label(u64::from_le_bytes(*b"template"));

    /// All labels, in use and reserved.
    pub const ALL: [Label; 9] = [
        Label::TARGET,
        Label::REQUEST,
        Label::THINK,
        Label::ARRIVAL,
        Label::REPEAT,
        Label::CHOICE,
        Label::DATA_ROW,
        Label::SHUFFLE,
        Label::TEMPLATE,
    ];

    /// A label of another crate. It must be none of [`Label::ALL`].
    ///
    /// ```
    /// use z6_scenario::random::Label;
    /// let mine = Label::named(b"my world");
    /// assert!(Label::ALL.iter().all(|label| *label != mine));
    /// ```
    #[must_use]
    pub const fn named(name: &[u8; 8]) -> Label {
        Label(u64::from_le_bytes(*name))
    }

    /// The label of a thing that the scenario names.
    #[must_use]
    pub(crate) const fn numbered(number: u64) -> Label {
        Label(number)
    }

    /// The label as the number that is mixed in.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014; constants: Stafford's variant 13). A
/// bijection of the 64-bit numbers in which every input bit reaches every output bit.
pub(crate) const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// All generators of one seed and one label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Domain {
    key: u64,
}

impl Domain {
    /// The generators of `seed` for `label`.
    #[must_use]
    pub const fn new(seed: u64, label: Label) -> Domain {
        Domain { key: mix(mix(seed.wrapping_add(GAMMA)) ^ label.0) }
    }

    /// The generators of one of many things of this kind, which has this number.
    #[must_use]
    pub(crate) const fn of(self, number: u64) -> Domain {
        Domain { key: mix(self.key ^ mix(number.wrapping_add(GAMMA))) }
    }

    /// The generators of one population; those of the only one, which has no name, are these.
    #[must_use]
    pub(crate) fn of_population(self, name: &str) -> Domain {
        match name {
            "" => self,
            _ => self.of(crate::values::name_number(b"population", name)),
        }
    }

    /// State and stream of the generator for `actor` at `step`: four mixed words.
    const fn words(self, actor: u64, step: u64) -> [u64; 4] {
        let x = mix(self.key.wrapping_add(actor.wrapping_mul(GAMMA)));
        let y = mix(x.wrapping_add(step.wrapping_mul(GAMMA)));
        let z = x.wrapping_add(y);
        [
            mix(y.wrapping_add(GAMMA)),
            mix(z.wrapping_add(GAMMA.wrapping_mul(2))),
            mix(y.wrapping_add(GAMMA.wrapping_mul(3))),
            mix(z.wrapping_add(GAMMA.wrapping_mul(4))),
        ]
    }

    /// The generator for `actor` at `step`, in O(1) whatever came before. Within a domain no two
    /// pairs share a state.
    ///
    /// ```
    /// use z6_scenario::random::{Domain, Label};
    ///
    /// let think = Domain::new(42, Label::THINK);
    /// let first = think.generator(7, 3).next_u64();
    /// assert_eq!(think.generator(7, 3).next_u64(), first);
    /// assert_ne!(think.generator(7, 4).next_u64(), first);
    /// ```
    #[inline]
    #[must_use]
    pub fn generator(self, actor: u64, step: u64) -> Generator {
        let [state_high, state_low, stream_high, stream_low] = self.words(actor, step);
        Generator { pcg: Pcg64::new(join(state_high, state_low), join(stream_high, stream_low)) }
    }
}

/// One 128-bit number from its halves.
const fn join(high: u64, low: u64) -> u128 {
    ((high as u128) << 64) | low as u128
}

/// A PCG XSL RR 128/64 generator and the draws Z6 makes from it.
#[derive(Debug, Clone)]
pub struct Generator {
    pcg: Pcg64,
}

/// Fractional bits of a [`UnitExponential`].
const EXPONENTIAL_FRACTION_BITS: u32 = 58;

/// A draw from the exponential distribution with mean 1, in units of 2^-58. At most 36.74.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitExponential(u64);

impl UnitExponential {
    /// This draw times `mean`, rounded to the nearest integer, halves up.
    #[must_use]
    pub const fn times(self, mean: u64) -> u128 {
        let half = 1u128 << (EXPONENTIAL_FRACTION_BITS - 1);
        (self.0 as u128 * mean as u128 + half) >> EXPONENTIAL_FRACTION_BITS
    }
}

impl Generator {
    /// The next 64 bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.pcg.next_u64()
    }

    /// Uniform over [0, bound), exactly: the multiply-and-reject method of Lemire (Fast Random
    /// Integer Generation in an Interval, 2019).
    #[inline]
    pub fn below(&mut self, bound: NonZeroU64) -> u64 {
        let bound = bound.get();
        let mut product = u128::from(self.next_u64()) * u128::from(bound);
        if (product as u64) < bound {
            // 2^64 mod bound: that many low words are one too many.
            let excess = bound.wrapping_neg() % bound;
            while (product as u64) < excess {
                product = u128::from(self.next_u64()) * u128::from(bound);
            }
        }
        (product >> 64) as u64
    }

    /// Uniform over [min, max], both included. Where `max` is not above `min`: `min`, and no draw.
    #[inline]
    pub fn uniform(&mut self, min: u64, max: u64) -> u64 {
        if max <= min {
            return min;
        }
        match (max - min).checked_add(1).and_then(NonZeroU64::new) {
            Some(values) => min + self.below(values),
            None => self.next_u64(),
        }
    }

    /// Exponential with mean 1: minus the natural logarithm of ((r >> 11) + 1) / 2^53, where r is
    /// one draw, rounded down to a multiple of 2^-58.
    #[inline]
    pub fn unit_exponential(&mut self) -> UnitExponential {
        // Exact: an integer of at most 53 bits times a power of two.
        let uniform = ((self.next_u64() >> 11) + 1) as f64 * (1.0 / (1u64 << 53) as f64);
        let fixed = -libm::log(uniform) * (1u64 << EXPONENTIAL_FRACTION_BITS) as f64;
        UnitExponential(fixed as u64)
    }

    /// Exponential with this mean before the cut at `max_ns`, rounded to the nearest nanosecond.
    #[inline]
    pub fn exponential_ns(&mut self, mean_ns: u64, max_ns: u64) -> u64 {
        let drawn = self.unit_exponential().times(mean_ns);
        u64::try_from(drawn).map_or(max_ns, |ns| ns.min(max_ns))
    }

    /// Puts `items` into one of their orders, each equally likely: Fisher and Yates, from the last
    /// place down.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.uniform(0, last as u64) as usize);
        }
    }
}

/// Weights to choose by: exact, and without a draw if only one choice is possible. A copy shares them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weights {
    /// `cumulative[i]` = sum of the weights 0 ..= i.
    cumulative: Arc<[u64]>,
    /// The sum; none if no draw is needed.
    total: Option<NonZeroU64>,
    /// What is chosen without a draw.
    only: usize,
}

impl Weights {
    /// From the weights of choices 0, 1, 2 .. A weight of 0 is never chosen unless all are 0, when
    /// choice 0 always is. The sum must fit in 64 bits; past that it stays at the maximum.
    #[must_use]
    pub fn new(weights: impl IntoIterator<Item = u64>) -> Weights {
        let mut sum = 0u64;
        let mut possible = 0u64;
        let mut only = 0;
        let mut cumulative = Vec::new();
        for (index, weight) in weights.into_iter().enumerate() {
            if weight > 0 {
                possible += 1;
                only = index;
            }
            sum = sum.saturating_add(weight);
            cumulative.push(sum);
        }
        let total = if possible > 1 { NonZeroU64::new(sum) } else { None };
        Weights { cumulative: cumulative.into(), total, only }
    }

    /// The sums of the weights up to each choice.
    pub(crate) fn cumulative(&self) -> &[u64] {
        &self.cumulative
    }

    /// Plants a bug, in the table alone: each choice gets the weight of the one before it, the first
    /// gets none, and the last keeps its own as well.
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn plant_off_by_one(&mut self) {
        if let Some(total) = self.total {
            let mut cumulative = self.cumulative.to_vec();
            cumulative.rotate_right(1);
            cumulative[0] = 0;
            if let Some(last) = cumulative.last_mut() {
                *last = total.get();
            }
            self.cumulative = cumulative.into();
        }
    }

    /// Chooses: r = [`Generator::below`] the sum, then the first choice whose cumulative weight is
    /// above r. `generator` is called only if there is something to draw.
    #[inline]
    pub fn choose(&self, generator: impl FnOnce() -> Generator) -> usize {
        match self.total {
            None => self.only,
            Some(total) => {
                let drawn = generator().below(total);
                self.cumulative.partition_point(|&sum| sum <= drawn)
            }
        }
    }
}
