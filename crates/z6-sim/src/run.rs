//! A simulated run from its first phase to its last: set-up, the run itself, tear-down.
//!
//! Owns what one phase hands over to the next: the log, the values that set-up leaves, a reason to stop. Each phase
//! has a world of its own, whose time begins at 0. Phases follow one another as in the reactor.

use std::collections::BTreeSet;

use z6_events::{ErrorKind, LogDigest, LogHeader, Phase, StopReason, StoppedBy, Tick};
use z6_vu::observer::Observer;
use z6_vu::prepare::Prepared;
use z6_vu::session::{Given, RunValues};

use crate::answer::Unmet;
use crate::checkers::{self, Evidence, SimViolation};
use crate::coverage::{Coverage, FaultCounts};
use crate::disk::Disk;
use crate::engine::Emitted;
use crate::error::{SimError, SimLogError};
use crate::spec::{CheckLevel, LogOut, SimSpec, given, header_of, prepare};
use crate::truth::Truth;
use crate::world::{Begin, Part, PhaseEnd, run_phase};

/// How a simulated run went.
#[derive(Debug)]
#[non_exhaustive]
pub struct SimEnd<O, L> {
    /// What saw the events.
    pub observer: O,
    /// Where the log went.
    pub log: L,
    /// The log's header.
    pub header: LogHeader,
    /// Why the run ended.
    pub stopped_by: StoppedBy,
    /// The final digest of the log; none if it has no footer.
    pub digest: Option<LogDigest>,
    /// Size of the log, bytes.
    pub log_bytes: u64,
    /// Virtual time that passed in all phases, nanoseconds.
    pub virtual_ns: u64,
    /// What the simulated server knows of the run itself; nothing if set-up kept it from beginning.
    pub truth: Truth,
    /// How often each fault occurred.
    pub injected: FaultCounts,
    /// How often each fault occurred to a connection in each state.
    pub coverage: Coverage,
    /// What the checks found broken.
    pub violations: Vec<SimViolation>,
    /// Why the log ends before its footer, if it does.
    pub log_error: Option<SimLogError>,
    /// Why the first attempt that failed did, if no connection was ever ready.
    pub no_target: Option<ErrorKind>,
    /// Extractions and checks that a response did not satisfy though nothing was wrong with it: those that
    /// the simulated server cannot satisfy. Each once.
    pub unmet: Vec<Unmet>,
}

/// Simulates a run.
///
/// # Errors
/// [`SimError`] if it cannot begin, or if time stands still. What goes wrong with the log later is in the
/// [`SimEnd`].
///
/// # Panics
/// With [`CheckLevel::EachStep`], if an invariant of the engine is broken: a bug in Z6.
pub fn simulate<O: Observer, L: LogOut>(
    spec: &SimSpec,
    observer: O,
    log: L,
) -> Result<SimEnd<O, L>, SimError> {
    let prepared = prepare(spec)?;
    let engines = prepared.engines()?;
    let header = header_of(spec, &prepared);
    let [before, after] = [Phase::SetUp, Phase::TearDown].map(|phase| spec.of_phase(phase));
    let setup = before.as_ref().map(|spec| aside(spec, &prepared, Phase::SetUp)).transpose()?;
    let teardown =
        after.as_ref().map(|spec| aside(spec, &prepared, Phase::TearDown)).transpose()?;
    let main = Part { spec, prepared, engines };
    let keeps = spec.checks != CheckLevel::Off;
    let given = given(spec);
    let mut run = Run {
        disk: Disk::begin(&header, spec, keeps, (observer, log))?,
        given: &given,
        since_start: spec.scenario.has_phases().then_some(Tick::ZERO),
        last_end: Tick::ZERO,
        values: RunValues::default(),
        stopped: None,
    };
    let mut aside = Vec::new();
    aside.extend(setup.flatten().map(|part| run.go(part)).transpose()?);
    let begins = aside.iter().all(|setup| setup.end.is_whole && setup.end.is_complete);
    let main = begins.then(|| run.go(main)).transpose()?;
    aside.extend(teardown.flatten().map(|part| run.go(part)).transpose()?);
    Ok(finish(spec, header, run.disk, main, aside))
}

/// What set-up or tear-down is made from, if there is one.
fn aside<'a>(
    spec: &'a SimSpec,
    main: &Prepared,
    phase: Phase,
) -> Result<Option<Part<'a>>, SimError> {
    let Some(prepared) = main.of_phase(phase)? else { return Ok(None) };
    let engines = vec![prepared.first_engine()?];
    Ok(Some(Part { spec, prepared, engines }))
}

/// A phase that was simulated.
struct Done<'a> {
    phase: Phase,
    spec: &'a SimSpec,
    end: PhaseEnd,
}

impl Done<'_> {
    /// What is looked at by the checkers, which look at the same log for each phase.
    fn evidence<'e>(&'e self, run: &Evidence<'e>) -> Evidence<'e> {
        let PhaseEnd { emitted, arenas, truth, .. } = &self.end;
        Evidence { phase: self.phase, spec: self.spec, emitted, arenas, truth, ..*run }
    }
}

/// What goes on from phase to phase.
struct Run<'g, O, L> {
    disk: Disk<O, L>,
    given: &'g Given,
    /// If the run has more phases than one.
    since_start: Option<Tick>,
    /// How long the phase before took.
    last_end: Tick,
    /// What set-up has left.
    values: RunValues,
    /// Why the run was asked to stop in set-up.
    stopped: Option<StopReason>,
}

impl<O: Observer, L: LogOut> Run<'_, O, L> {
    fn go<'a>(&mut self, part: Part<'a>) -> Result<Done<'a>, SimError> {
        let (phase, spec) = (part.prepared.phase(), part.spec);
        let begin = Begin {
            given: self.given,
            since_start: self.since_start,
            values: self.values.clone(),
            stopped: self.stopped.filter(|_| phase == Phase::Main),
        };
        self.disk.begin_phase(phase, self.last_end);
        let mut end = run_phase(part, begin, &mut self.disk)?;
        self.last_end = end.end;
        self.since_start = self.since_start.map(|before| before.plus_ns(end.end.0));
        if phase == Phase::SetUp {
            self.values = std::mem::take(&mut end.values);
            self.stopped = end.stopped;
        }
        Ok(Done { phase, spec, end })
    }
}

/// Ends the log, and checks all that is known. `aside` is set-up and tear-down, as far as the scenario has them.
fn finish<'a, O: Observer, L: LogOut>(
    spec: &'a SimSpec,
    header: LogHeader,
    disk: Disk<O, L>,
    main: Option<Done<'a>>,
    mut aside: Vec<Done<'a>>,
) -> SimEnd<O, L> {
    let last = main.as_ref().or(aside.first());
    let no_target = last.and_then(|done| done.end.no_target);
    // What was left out has done nothing.
    let mut main = main.unwrap_or_else(|| {
        let emitted = vec![Emitted::new(); usize::from(spec.workers)];
        let end = PhaseEnd { is_whole: true, emitted, ..PhaseEnd::default() };
        Done { phase: Phase::Main, spec, end }
    });
    let (mut injected, mut coverage) = (FaultCounts::default(), Coverage::default());
    let (mut violations, mut unmet) = (Vec::new(), BTreeSet::new());
    let (mut virtual_ns, mut is_whole) = (0, true);
    for Done { end, .. } in aside.iter_mut().chain([&mut main]) {
        injected.add(&end.injected);
        coverage.add(&end.coverage);
        violations.append(&mut end.violations);
        unmet.extend(std::mem::take(&mut end.unmet));
        virtual_ns += end.end.0;
        is_whole &= end.is_whole;
    }
    let disk = disk.finish(is_whole);
    let stopped_by = match disk.error {
        Some(_) => StoppedBy::DiskFull,
        None => disk.end.stopped_by(),
    };
    if spec.checks != CheckLevel::Off {
        let run = Evidence {
            spec,
            header: &header,
            log: &disk.copy,
            phase: Phase::Main,
            emitted: &main.end.emitted,
            arenas: &main.end.arenas,
            truth: &main.end.truth,
            digest: disk.digest,
            stopped_by,
            aside: &[],
        };
        let aside: Vec<Evidence<'_>> = aside.iter().map(|done| done.evidence(&run)).collect();
        violations.extend(checkers::check_end(&Evidence { aside: &aside, ..run }));
    }
    SimEnd {
        observer: disk.observer,
        log: disk.log,
        header,
        stopped_by,
        digest: disk.digest,
        log_bytes: disk.bytes,
        virtual_ns,
        truth: main.end.truth,
        injected,
        coverage,
        violations,
        log_error: disk.error,
        no_target,
        unmet: unmet.into_iter().collect(),
    }
}
