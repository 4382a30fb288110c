//! Golden vectors, exactness of the draws, and independence of neighbouring generators.

use super::*;

const SEED: u64 = 42;

fn bound(value: u64) -> NonZeroU64 {
    NonZeroU64::new(value).unwrap()
}

#[test]
fn mix_agrees_with_published_splitmix64() {
    // The first three outputs of SplitMix64 from state 0.
    let outputs = [1u64, 2, 3].map(|n| mix(GAMMA.wrapping_mul(n)));
    assert_eq!(outputs, [0xE220_A839_7B1D_CDAF, 0x6E78_9E6A_A1B9_65F4, 0x06C4_5D18_8009_454F]);
}

#[test]
fn labels_are_distinct() {
    for (i, a) in Label::ALL.iter().enumerate() {
        assert!(Label::ALL[i + 1..].iter().all(|b| a != b));
    }
    assert_eq!(Label::TARGET.number(), 0x2020_7465_6772_6174);
}

mod golden {
    use super::*;

    fn generator() -> Generator {
        Domain::new(SEED, Label::THINK).generator(7, 3)
    }

    #[test]
    fn words() {
        let rows: Vec<String> = [
            (0, Label::TARGET, 0, 0),
            (SEED, Label::THINK, 7, 3),
            (u64::MAX, Label::ARRIVAL, u64::MAX, 1 << 40),
        ]
        .into_iter()
        .map(|(seed, label, actor, step)| {
            let words = Domain::new(seed, label).words(actor, step);
            words.map(|word| format!("{word:016x}")).join(" ")
        })
        .collect();
        insta::assert_snapshot!(rows.join("\n"), @r"
        9a5b5423bc8fd7c2 f6aafec31f3d621c f808b08b21e64bf4 ced9675f2ddf0069
        0f569853c7fe8619 89d51fd0354fbfae ca142c15e35566ba 3e55ea011d61ba00
        6f0a74c20b416a96 887d7128e24caff4 017dbc363bd9895b b2b938249849b6a6
        ");
    }

    #[test]
    fn outputs() {
        let mut generator = generator();
        let row = [(); 4].map(|()| format!("{:016x}", generator.next_u64()));
        insta::assert_snapshot!(row.join(" "), @"101f3f22d0244424 c314626d633cd06c b3bdbb597d05fcbc 210a80745c5fd8cf");
    }

    #[test]
    fn bounded() {
        let mut generator = generator();
        let small = [(); 12].map(|()| generator.below(bound(10)));
        let large = [(); 3].map(|()| generator.below(bound((1 << 63) + 1)));
        insta::assert_snapshot!(format!("{small:?} {large:?}"), @"[0, 7, 7, 1, 0, 6, 1, 9, 5, 6, 5, 9] [6139897644972027635, 2794250995833426745, 2564725370333293167]");
    }

    #[test]
    fn uniform() {
        let mut generator = generator();
        let row = [(); 8].map(|()| generator.uniform(5_000_000, 20_000_000));
        insta::assert_snapshot!(format!("{row:?}"), @"[5944651, 16430447, 15531708, 6935997, 5527081, 14304259, 7006498, 18828371]");
    }

    #[test]
    fn exponential() {
        let mut generator = generator();
        let row = [(); 8].map(|()| generator.exponential_ns(50_000_000, 100_000_000));
        insta::assert_snapshot!(format!("{row:?}"), @"[100000000, 13588481, 17682987, 100000000, 100000000, 23878896, 100000000, 4066393]");
    }

    #[test]
    fn weighted() {
        let weights = Weights::new([5_000_000, 3_000_000, 1_500_000, 0, 500_000]);
        let domain = Domain::new(SEED, Label::REQUEST);
        let row: String =
            (0..60).map(|step| weights.choose(|| domain.generator(0, step)).to_string()).collect();
        insta::assert_snapshot!(row, @"101401002012001041011112010020121001022021110020021010111020");
    }

    #[test]
    fn shuffled() {
        let mut items: Vec<u32> = (0..12).collect();
        generator().shuffle(&mut items);
        insta::assert_snapshot!(format!("{items:?}"), @"[5, 10, 3, 2, 6, 9, 4, 11, 1, 7, 8, 0]");
    }
}

#[test]
fn bounded_draws_are_uniform_over_an_awkward_bound() {
    // With 3 * 2^62 values, taking the product's high word without rejection would give every third
    // value twice as often as the others.
    let mut generator = Domain::new(1, Label::DATA_ROW).generator(0, 0);
    let mut counts = [0u32; 3];
    for _ in 0..30_000 {
        counts[(generator.below(bound(3 << 62)) % 3) as usize] += 1;
    }
    for count in counts {
        // Five standard deviations of a binomial (30,000, 1/3).
        assert!(count.abs_diff(10_000) < 410, "{counts:?}");
    }
}

#[test]
fn uniform_covers_both_ends_and_the_whole_range() {
    let mut generator = Domain::new(2, Label::THINK).generator(0, 0);
    let mut seen = [false; 4];
    for _ in 0..200 {
        seen[(generator.uniform(10, 13) - 10) as usize] = true;
    }
    assert_eq!(seen, [true; 4]);
    assert_eq!(generator.uniform(9, 9), 9);
    assert_eq!(generator.uniform(9, 3), 9);
    assert!((0..64).any(|_| generator.uniform(0, u64::MAX) > u64::MAX / 2));
}

#[test]
fn exponential_has_its_mean_its_variance_and_its_cut() {
    let mut generator = Domain::new(3, Label::THINK).generator(0, 0);
    let draws = 100_000u64;
    let (mut sum, mut squares, mut cut) = (0f64, 0f64, 0u64);
    for _ in 0..draws {
        let ns = generator.exponential_ns(1_000_000, u64::MAX) as f64 / 1e6;
        sum += ns;
        squares += ns * ns;
        cut += u64::from(generator.exponential_ns(1_000_000, 2_000_000) == 2_000_000);
    }
    let mean = sum / draws as f64;
    let variance = squares / draws as f64 - mean * mean;
    assert!((mean - 1.0).abs() < 0.016, "{mean}");
    assert!((variance - 1.0).abs() < 0.045, "{variance}");
    // P(E >= 2) = 0.1353.
    assert!(cut.abs_diff(13_534) < 545, "{cut}");
}

#[test]
fn exponential_ends_of_the_range() {
    assert_eq!(UnitExponential(u64::MAX).times(u64::MAX) >> 64, 63);
    assert_eq!(UnitExponential(1 << 58).times(7), 7);
    assert_eq!(UnitExponential(1 << 57).times(7), 4, "3.5 goes up");
    let mut generator = Domain::new(4, Label::THINK).generator(0, 0);
    assert_eq!(generator.exponential_ns(0, 10), 0);
    assert_eq!(generator.exponential_ns(u64::MAX, 10), 10);
}

#[test]
fn weights_are_kept_to_and_zero_is_never_chosen() {
    let weights = Weights::new([1, 0, 3, 0]);
    let domain = Domain::new(5, Label::REQUEST);
    let mut counts = [0u32; 4];
    for step in 0..40_000 {
        counts[weights.choose(|| domain.generator(9, step))] += 1;
    }
    assert_eq!((counts[1], counts[3]), (0, 0));
    assert!(counts[0].abs_diff(10_000) < 435, "{counts:?}");
}

#[test]
fn a_choice_of_one_draws_nothing() {
    let never = || -> Generator { panic!("nothing to draw") };
    assert_eq!(Weights::new([7]).choose(never), 0);
    assert_eq!(Weights::new([0, 0, 7, 0]).choose(never), 2);
    assert_eq!(Weights::new([0, 0]).choose(never), 0);
    assert_eq!(Weights::new([]).choose(never), 0);
}

#[test]
fn every_order_is_equally_likely() {
    let domain = Domain::new(6, Label::SHUFFLE);
    let mut counts = std::collections::BTreeMap::new();
    for pass in 0..24_000 {
        let mut items = [0u8, 1, 2, 3];
        domain.generator(0, pass).shuffle(&mut items);
        *counts.entry(items).or_insert(0u32) += 1;
    }
    assert_eq!(counts.len(), 24);
    assert!(counts.values().all(|count| count.abs_diff(1_000) < 156), "{counts:?}");
}

/// Independence of neighbours, measured so that naive seedings fail it.
mod independence {
    use super::*;

    type Derive = fn(u64, Label, u64, u64) -> Generator;

    /// Points compared per measure, and how far apart they may lie.
    const POINTS: usize = 2_048;
    const MAX_DISTANCE: usize = 128;

    /// First outputs along one axis: actors, steps, seeds, or a label beside another.
    fn axes(derive: Derive) -> [Vec<u64>; 4] {
        let axis = |point: &dyn Fn(u64) -> Generator| -> Vec<u64> {
            (0..(POINTS + MAX_DISTANCE) as u64).map(|i| point(i).next_u64()).collect()
        };
        [
            axis(&|i| derive(SEED, Label::THINK, i, 5)),
            axis(&|i| derive(SEED, Label::THINK, 5, i)),
            axis(&|i| derive(i, Label::THINK, 5, 5)),
            axis(&|i| derive(SEED, Label::ALL[i as usize % 3], i / 3, 5)),
        ]
    }

    /// The worst of all measures, in standard deviations of the measure under independence:
    /// neighbours along each axis at each distance, and two neighbours' long streams at small lags.
    fn worst(derive: Derive) -> f64 {
        let mut worst = grid_collisions(derive);
        for outputs in axes(derive) {
            for distance in 1..=MAX_DISTANCE {
                let pairs = outputs.iter().zip(&outputs[distance..]).take(POINTS);
                worst = worst.max(score(pairs.map(|(&a, &b)| [a, b])));
            }
        }
        for (actor, step) in [(6, 5), (5, 6)] {
            for lag in 0..4 {
                let mut a = derive(SEED, Label::THINK, 5, 5);
                let mut b = derive(SEED, Label::THINK, actor, step);
                let _ = (0..lag).map(|_| a.next_u64()).count();
                worst = worst.max(score((0..POINTS).map(|_| [a.next_u64(), b.next_u64()])));
            }
        }
        worst
    }

    /// Infinite if two points of a grid of actors and steps begin with the same output.
    fn grid_collisions(derive: Derive) -> f64 {
        let point = |i: u64| derive(SEED, Label::THINK, i / 64, i % 64).next_u64();
        let mut outputs: Vec<u64> = (0..4_096).map(point).collect();
        outputs.sort_unstable();
        outputs.dedup();
        if outputs.len() == 4_096 { 0.0 } else { f64::INFINITY }
    }

    /// The larger of two scores over [`POINTS`] pairs: the linear correlation of the values, and
    /// how many bits the two have alike.
    fn score(pairs: impl Iterator<Item = [u64; 2]>) -> f64 {
        let (mut products, mut alike) = (0f64, 0u32);
        for [a, b] in pairs {
            let [x, y] = [a, b].map(|value| value as f64 / u64::MAX as f64 - 0.5);
            products += x * y * 12.0;
            alike += (!(a ^ b)).count_ones();
        }
        let n = POINTS as f64;
        let correlation = products.abs() / libm::sqrt(n);
        let bits = (f64::from(alike) - 32.0 * n).abs() / (4.0 * libm::sqrt(n));
        correlation.max(bits)
    }

    fn derived(seed: u64, label: Label, actor: u64, step: u64) -> Generator {
        Domain::new(seed, label).generator(actor, step)
    }

    fn raw(state: u64, stream: u64) -> Generator {
        Generator { pcg: Pcg64::new(u128::from(state), u128::from(stream)) }
    }

    #[test]
    fn neighbours_are_independent() {
        // Under independence one of the 1,040 scores lies above 5.5 once in 25,000 times.
        let worst = worst(derived);
        assert!(worst < 5.5, "{worst}");
    }

    #[test]
    fn the_measure_catches_naive_seedings() {
        let naive: [(&str, Derive); 4] = [
            ("actor as stream", |seed, label, actor, step| {
                raw(seed ^ label.number() ^ step, actor)
            }),
            ("mixed state, actor as stream", |seed, label, actor, step| {
                raw(mix(seed ^ label.number() ^ mix(step)), actor)
            }),
            ("sum as state", |seed, label, actor, step| {
                raw(mix(seed).wrapping_add(label.number()).wrapping_add(actor + step), 1)
            }),
            ("step as position", |seed, label, actor, step| {
                let mut generator = derived(seed, label, actor, 0);
                generator.pcg.advance(u128::from(step));
                generator
            }),
        ];
        for (name, derive) in naive {
            let worst = worst(derive);
            assert!(worst > 12.0, "{name}: {worst}");
        }
    }

    #[test]
    fn a_large_grid_has_no_two_states_alike() {
        let mut states = Vec::new();
        for label in [Label::TARGET, Label::REQUEST, Label::THINK, Label::ARRIVAL] {
            for seed in [0, 1, SEED] {
                let domain = Domain::new(seed, label);
                for actor in 0..100 {
                    states.extend((0..100).map(|step| domain.words(actor, step)));
                }
            }
        }
        let total = states.len();
        states.sort_unstable();
        states.dedup();
        assert_eq!(states.len(), total);
    }
}
