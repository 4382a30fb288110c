//! Seeded draws: which request is delayed by how much, fails or is reset.
//!
//! Owns the mixing function and the distributions, on integers alone, so that every machine draws
//! the same; must not know HTTP, clocks or sockets. The functions are frozen by golden values.

use crate::config::MAX_DELAY_NS;

/// Increment of SplitMix64: 2^64 divided by the golden ratio, made odd.
const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;
/// Shares are counted in billionths.
pub(crate) const SHARE_ONE: u64 = 1_000_000_000;
/// ln 2 as a fixed-point number with 32 fraction bits.
const LN_2_Q32: u128 = 2_977_044_472;

/// What a number is drawn for; one request draws at most one number for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Delay = 1,
    Reset = 2,
    Fail = 3,
    Stall = 4,
    ServerStall = 5,
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014, variant 13 of Stafford).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A state that depends on `state` and on each bit of `word`.
pub(crate) fn absorb(state: u64, word: u64) -> u64 {
    mix((state ^ word).wrapping_add(GAMMA))
}

/// The number drawn by request `request` of connection `connection` for `purpose`: uniform in u64.
pub(crate) fn draw(seed: u64, connection: u64, request: u64, purpose: Purpose) -> u64 {
    let state = absorb(0, seed);
    let state = absorb(state, connection);
    let state = absorb(state, request);
    absorb(state, purpose as u64)
}

/// `floor(draw * below / 2^64)`: a number in `0..below`.
pub(crate) fn scale(draw: u64, below: u64) -> u64 {
    ((u128::from(draw) * u128::from(below)) >> 64) as u64
}

/// A share of all requests, in billionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Share(u64);

impl Share {
    /// `None` above 1.
    pub(crate) fn from_billionths(billionths: u64) -> Option<Self> {
        (billionths <= SHARE_ONE).then_some(Self(billionths))
    }

    pub(crate) fn includes(self, draw: u64) -> bool {
        scale(draw, SHARE_ONE) < self.0
    }
}

/// A distribution of delays; all times in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delay {
    Constant { ns: u64 },
    Uniform { low_ns: u64, high_ns: u64 },
    Exponential { mean_ns: u64 },
    Bimodal { usual_ns: u64, tail_ns: u64, tail: Share },
}

impl Delay {
    /// The delay for the number `draw`, at most `MAX_DELAY_NS`.
    pub(crate) fn sample_ns(self, draw: u64) -> u64 {
        let ns = match self {
            Self::Constant { ns } => ns,
            Self::Uniform { low_ns, high_ns } => low_ns + scale(draw, high_ns - low_ns + 1),
            Self::Exponential { mean_ns } => exponential(draw, mean_ns),
            Self::Bimodal { usual_ns, tail_ns, tail } => {
                if tail.includes(draw) {
                    tail_ns
                } else {
                    usual_ns
                }
            }
        };
        ns.min(MAX_DELAY_NS)
    }
}

/// `mean * -ln(u)` with u = (draw + 1) / 2^64, rounded down.
fn exponential(draw: u64, mean_ns: u64) -> u64 {
    let units = u128::from(negative_log2_q32(draw)) * LN_2_Q32;
    let product = u128::from(mean_ns.min(MAX_DELAY_NS)) * units;
    u64::try_from(product >> 64).unwrap_or(u64::MAX)
}

/// `-log2((draw + 1) / 2^64)` with 32 fraction bits, found bit by bit: squaring a number in [1, 2)
/// doubles its logarithm, and the carry past 2 is the next bit. The error is below 2^-31.
fn negative_log2_q32(draw: u64) -> u64 {
    let Some(value) = draw.checked_add(1) else { return 0 };
    let whole = u64::from(63 - value.leading_zeros());
    let mut mantissa = u128::from(value << value.leading_zeros());
    let mut fraction = 0_u64;
    for _ in 0..32 {
        mantissa = (mantissa * mantissa) >> 63;
        fraction <<= 1;
        if mantissa >= 1 << 64 {
            mantissa >>= 1;
            fraction |= 1;
        }
    }
    (64 << 32) - ((whole << 32) + fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_frozen() {
        let drawn: Vec<u64> = [
            (0, 0, 0, Purpose::Delay),
            (42, 0, 0, Purpose::Delay),
            (42, 1, 0, Purpose::Delay),
            (42, 0, 1, Purpose::Delay),
            (42, 0, 0, Purpose::Reset),
            (42, 0, 0, Purpose::Fail),
            (u64::MAX, u64::MAX, u64::MAX, Purpose::Fail),
        ]
        .into_iter()
        .map(|(seed, connection, request, purpose)| draw(seed, connection, request, purpose))
        .collect();
        assert_eq!(drawn, GOLDEN);
    }

    const GOLDEN: [u64; 7] = [
        0x2a4f_111b_3be5_7715,
        0x6bd1_8687_32f4_640c,
        0x7181_8ad8_3cba_8f05,
        0x4b06_e838_4674_7453,
        0x5ae4_f560_bd26_f9b6,
        0x5de4_0281_539a_4621,
        0x6229_9775_1819_3a8f,
    ];

    #[test]
    fn samples_are_frozen() {
        let samples = [0_u64, 1 << 62, 1 << 63, 3 << 62, u64::MAX];
        let exponential = Delay::Exponential { mean_ns: 1_000_000_000 };
        let drawn = samples.map(|draw| exponential.sample_ns(draw));
        assert_eq!(drawn, [44_361_419_558, 1_386_294_361, 693_147_180, 287_682_072, 0]);
        let uniform = Delay::Uniform { low_ns: 100, high_ns: 199 };
        assert_eq!(samples.map(|draw| uniform.sample_ns(draw)), [100, 125, 150, 175, 199]);
    }

    #[test]
    fn exponential_follows_the_logarithm() {
        for step in 1..2000_u64 {
            let draw = step.wrapping_mul(GAMMA);
            let exact = -((draw as f64 + 1.0) / 2_f64.powi(64)).ln() * 1e9;
            let sample = Delay::Exponential { mean_ns: 1_000_000_000 }.sample_ns(draw) as f64;
            assert!((sample - exact).abs() <= 3.0 + exact * 1e-8, "{draw}: {sample} {exact}");
        }
    }

    #[test]
    fn no_draw_exceeds_the_longest_delay() {
        assert_eq!(Delay::Exponential { mean_ns: MAX_DELAY_NS }.sample_ns(0), MAX_DELAY_NS);
        let whole = Delay::Uniform { low_ns: 0, high_ns: MAX_DELAY_NS };
        assert_eq!(whole.sample_ns(u64::MAX), MAX_DELAY_NS);
    }

    #[test]
    fn shares_are_met() {
        let hits = |billionths| {
            let share = Share::from_billionths(billionths).expect("a share");
            let drawn =
                (0..10_000).filter(|&n| share.includes(draw(7, n / 100, n % 100, Purpose::Fail)));
            drawn.count()
        };
        assert_eq!(hits(0), 0);
        assert_eq!(hits(SHARE_ONE), 10_000);
        let fifth = hits(SHARE_ONE / 5);
        assert!((1_850..2_150).contains(&fifth), "{fifth}");
        assert_eq!(Share::from_billionths(SHARE_ONE + 1), None);
    }

    #[test]
    fn bimodal_takes_the_tail_by_its_share() {
        let tail = Share::from_billionths(10_000_000).expect("a share");
        let delay = Delay::Bimodal { usual_ns: 1, tail_ns: 100, tail };
        let drawn = (0..100_000).filter(|&n| delay.sample_ns(draw(1, 0, n, Purpose::Delay)) == 100);
        let tails = drawn.count();
        assert!((850..1_150).contains(&tails), "{tails}");
    }
}
