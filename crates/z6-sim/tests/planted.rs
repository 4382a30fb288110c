//! The checkers are checked: bugs planted in engine, recorder, connection or fold are found by one of
//! them within a thousand seeds. They were written without knowledge of these bugs. The replay among
//! them runs on an engine with the same bug, as it would if the bug were in the product.
#![cfg(feature = "planted-bugs")]
#![allow(clippy::print_stdout, reason = "says which checker finds which bug")]

use z6_sim::plant::Plant;
use z6_sim::swarm;

/// Seeds until a bug has to be found.
const SEEDS_MAX: u64 = 1_000;

/// The first seed that finds the bug, and the checker.
fn found(plant: Plant) -> Option<(u64, String, String)> {
    (0..SEEDS_MAX).find_map(|seed| {
        let outcome = swarm::case(seed).run_with(plant);
        let broken = outcome.violations.into_iter().next()?;
        Some((seed, broken.checker, broken.message))
    })
}

#[test]
fn each_planted_bug_is_found() {
    std::panic::set_hook(Box::new(|_| {}));
    let mut missed = Vec::new();
    for plant in Plant::all() {
        match found(plant) {
            Some((seed, checker, message)) => {
                let short: String = message.chars().take(100).collect();
                println!("{:<32} seed {seed:>4}  {checker}: {short}", format!("{plant:?}"));
            }
            None => missed.push(plant),
        }
    }
    let _ = std::panic::take_hook();
    assert!(Plant::all().count() >= 10);
    assert_eq!(missed, []);
}
