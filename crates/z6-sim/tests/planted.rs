//! The checkers are checked: bugs planted in engine, recorder, connection or fold are found by one of
//! them within a thousand seeds. They were written without knowledge of these bugs. The replay among
//! them runs on an engine with the same bug, as it would if the bug were in the product.
#![cfg(feature = "planted-bugs")]
#![allow(clippy::expect_used, clippy::print_stdout, reason = "says which checker finds which bug")]

use std::num::NonZero;
use std::sync::Mutex;

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

/// One after the other, as many at once as there are cores; each is told when it is done. Those that were not found.
fn missed() -> Vec<Plant> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let (waiting, missed) = (Mutex::new(Plant::all()), Mutex::new(Vec::new()));
    let look = || {
        loop {
            let Some(plant) = waiting.lock().expect("no thread panics with it").next() else {
                return;
            };
            match found(plant) {
                Some((seed, checker, message)) => {
                    let short: String = message.chars().take(100).collect();
                    println!("{:<32} seed {seed:>4}  {checker}: {short}", format!("{plant:?}"));
                }
                None => missed.lock().expect("no thread panics with it").push(plant),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(look);
        }
    });
    missed.into_inner().expect("no thread panics with it")
}

#[test]
fn each_planted_bug_is_found() {
    std::panic::set_hook(Box::new(|_| {}));
    let missed = missed();
    let _ = std::panic::take_hook();
    assert!(Plant::all().count() >= 10);
    assert_eq!(missed, []);
}
