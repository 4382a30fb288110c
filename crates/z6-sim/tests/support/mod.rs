//! One simulated run with all checkers, and its figures.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test uses a part")]
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use z6_events::{LogDigest, LogReader, StoppedBy, walk};
use z6_metrics::{EndFacts, Fold, Metrics, RunFacts};
use z6_scenario::{Overrides, Plan, Scenario};
use z6_sim::{CheckLevel, Coverage, FaultCounts, NoObserver, SimSpec, Truth, Unmet, simulate};

/// What a run left.
pub struct Ran {
    pub metrics: Metrics,
    pub log: Vec<u8>,
    pub digest: Option<LogDigest>,
    pub stopped_by: StoppedBy,
    pub truth: Truth,
    pub injected: FaultCounts,
    pub coverage: Coverage,
    pub violations: Vec<String>,
    pub unmet: Vec<Unmet>,
    pub virtual_ns: u64,
    pub plan: Plan,
}

/// The specification of a run of `text` with these settings of the world.
pub fn spec(text: &str, seed: u64, settings: &[(&str, &str)]) -> SimSpec {
    let simulation = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let overrides = Overrides { simulation: simulation.collect(), ..Overrides::default() };
    let loaded = Scenario::load(text, &z6_scenario::NoFiles, &overrides);
    let scenario = loaded.unwrap_or_else(|errors| panic!("{errors:?}")).scenario;
    let workers = match scenario.runtime.workers {
        z6_scenario::Workers::Fixed(workers) => workers,
        z6_scenario::Workers::Auto => 1,
    };
    let mut spec = SimSpec::new(Arc::new(scenario), seed, workers);
    spec.overrides = overrides.pairs();
    spec.checks = CheckLevel::EachStep;
    spec
}

/// Runs it with all checkers.
pub fn run(text: &str, seed: u64, settings: &[(&str, &str)]) -> Ran {
    run_spec(&spec(text, seed, settings))
}

/// Runs it.
pub fn run_spec(spec: &SimSpec) -> Ran {
    let end = simulate(spec, NoObserver, Vec::new()).unwrap();
    let mut fold = Fold::new(&spec.scenario, RunFacts::from_header(&end.header, String::new()));
    let ending = walk(&mut LogReader::new(&end.log[..]).unwrap(), &mut fold).unwrap();
    Ran {
        metrics: fold.finish(EndFacts::from_ending(&ending)).unwrap(),
        log: end.log,
        digest: end.digest,
        stopped_by: end.stopped_by,
        truth: end.truth,
        injected: end.injected,
        coverage: end.coverage,
        violations: end.violations.iter().map(ToString::to_string).collect(),
        virtual_ns: end.virtual_ns,
        unmet: end.unmet,
        plan: Plan::new(&spec.scenario, spec.seed),
    }
}
