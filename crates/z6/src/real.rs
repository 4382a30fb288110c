//! Runs over a real network: their own options, and how they start.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use z6_events::Driver;
use z6_metrics::ShardJudge;
use z6_vu::reactor::{AttachedFile, Barrier, LateStart, Meeting, RunSpec, Spin, Stamping};
use z6_vu::session::Given;

#[cfg(feature = "builtin")]
use crate::builtin::Builtin;
use crate::check::at_its_place;
use crate::error::Error;
use crate::run::{Run, Settled};
use crate::running::Running;
use crate::secrets::{self, Known};

/// A run over a real network that has not begun. Made by [`Run::real`].
#[derive(Debug)]
pub struct RealRun {
    run: Run,
    spin: Spin,
    secrets: Known,
    meeting: Meeting,
}

impl RealRun {
    pub(crate) fn new(run: Run) -> RealRun {
        RealRun {
            run,
            spin: Spin::default(),
            secrets: Known::default(),
            meeting: Meeting::default(),
        }
    }

    /// Whether event loops spin for the last tens of microseconds before a planned instant.
    #[must_use]
    pub fn spin(mut self, spin: Spin) -> RealRun {
        self.spin = spin;
        self
    }

    /// The value of a secret of the scenario, in place of what the environment or a file says. No file of the
    /// run contains it. The first value of a name counts; a name that the scenario does not have changes
    /// nothing.
    #[must_use]
    pub fn secret(mut self, name: &str, value: impl Into<Vec<u8>>) -> RealRun {
        self.secrets.add(name, value.into());
        self
    }

    /// The instant of tick 0 on this machine's wall clock: the start of the run waits for it. Shards of one run are
    /// given the same. With `[setup]` that runs at once, and the run itself begins at the instant. See
    /// [`late_start`](RealRun::late_start) for an instant that has passed.
    #[must_use]
    pub fn start_at(mut self, instant: SystemTime) -> RealRun {
        let since = instant.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.meeting.start_at_ns = Some(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX));
        self
    }

    /// What is done where tick 0 would be more than 50 ms after the instant at which all shards begin: by
    /// default the run does not start.
    #[must_use]
    pub fn late_start(mut self, late: LateStart) -> RealRun {
        self.meeting.late = late;
        self
    }

    /// Where this shard meets the others before it begins, and how long it waits for them. Of no effect on a
    /// run that has no others. With `[setup]` they meet once each has been set up. Over TCP, assertions over
    /// windows with `stop = true` are judged over all shards, and stop all of them; shard 0 judges.
    #[must_use]
    pub fn barrier(mut self, barrier: Barrier, wait_max: Duration) -> RealRun {
        (self.meeting.barrier, self.meeting.wait_max) = (Some(barrier), wait_max);
        self
    }

    /// A flag that ends every wait for the start once it is true: [`start`](RealRun::start) then fails. A wait that
    /// follows `[setup]` ends as if the run were asked to stop: nothing of the run itself is sent, and tear-down
    /// follows.
    #[must_use]
    pub fn cancelled_by(mut self, flag: Arc<AtomicBool>) -> RealRun {
        self.meeting.cancelled = flag;
        self
    }

    /// Takes the wall clock to be so far ahead, nanoseconds: for tests of shards with wrong clocks.
    #[doc(hidden)]
    #[must_use]
    pub fn shift_wall_clock(mut self, ns: i64) -> RealRun {
        self.meeting.wall_shift_ns = ns;
        self
    }

    /// Starts the run: resolves names, starts the built-in target if the scenario names it, begins the
    /// log and releases the event loops. A results directory that was made for a run that does not start
    /// is removed again.
    ///
    /// # Errors
    /// Whatever keeps the run from starting; nothing was sent then.
    pub fn start(self) -> Result<Running, Error> {
        let mut settled = self.run.settle(Driver::Reactor)?;
        #[cfg(feature = "builtin")]
        let builtin = Builtin::start(&settled.scenario, settled.seed)?;
        let given = secrets::given(&settled.scenario, settled.source.folder(), &self.secrets)?;
        let stamping = Stamping::of(&settled.scenario);
        let mut meeting = self.meeting;
        let is_tcp = matches!(meeting.barrier, Some(Barrier::Tcp(_)));
        meeting.judges = is_tcp
            && !settled.shard.is_whole()
            && ShardJudge::new(&settled.scenario, settled.shard.of()).is_some();
        let mut watcher = settled.watcher(Driver::Reactor, stamping.is_on(), stamping.why_not());
        if meeting.judges {
            watcher.judge_together(&settled.scenario);
        }
        let spec = RunSpec {
            attached: attached(&settled, &given),
            scenario: Arc::clone(&settled.scenario),
            seed: settled.seed,
            workers: settled.workers,
            shard: settled.shard,
            #[cfg(feature = "builtin")]
            builtin: builtin.as_ref().map(Builtin::target),
            #[cfg(not(feature = "builtin"))]
            builtin: None,
            log: settled.log.clone(),
            overrides: settled.overrides.clone(),
            spin: self.spin,
            folder: settled.source.folder().to_owned(),
            given,
            meeting,
            stamping,
        };
        let scenario = Arc::clone(&settled.scenario);
        let name = settled.source.name().to_owned();
        let time_limit = settled.time_limit;
        let (context, results) = settled.context();
        #[cfg(feature = "builtin")]
        let context = crate::running::Context { builtin, ..context };
        let started = Running::start(spec, watcher, context, time_limit);
        Ok(started.map_err(|error| at_its_place(&name, &scenario, error))?.keeping(results))
    }
}

fn attached(settled: &Settled, given: &Given) -> Vec<AttachedFile> {
    let files = settled.attached(&|digest| given.digest(digest)).into_iter();
    files.map(|(name, content)| AttachedFile { name, content }).collect()
}
