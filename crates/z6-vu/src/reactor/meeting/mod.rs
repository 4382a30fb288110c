//! When a run begins: at once, at an instant of the wall clock, or together with the other shards of the run.
//!
//! Shards meet in a shared folder (`folder`) or at shard 0 over TCP (`tcp`). Both end with one instant for all.
//! Over TCP an assertion can then stop all of them (`stop`).
//! Owns the conversion of that instant to the monotonic clock, which happens once, and what the log says about
//! the wall clock. Every wait here is bounded and ends when the run is cancelled.

mod folder;
mod stop;
mod tcp;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use z6_events::{LogDigest, LogHeader, Shard, ShardStop};

pub use self::stop::LostShard;
pub(super) use self::stop::{Outbox, StopEnd, StopLink, StopNews, Stops};
use self::tcp::Link;
use super::clock::{self, Clock};
use super::sys;

/// A run whose tick 0 comes later than this after the common instant is late, nanoseconds.
pub const START_LATE_NS_MAX: u64 = 50_000_000;
/// How long shards wait for each other unless it is said: 10 min.
pub const BARRIER_WAIT: Duration = Duration::from_secs(600);
/// How often something that is waited for is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Up to this long before tick 0 a wait can be cancelled; then the workers wait, nanoseconds.
const LAST_WAIT_NS: u64 = 15_000_000;

/// Where the shards of a run meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Barrier {
    /// A folder that all of them can write to.
    Folder(PathBuf),
    /// `HOST:PORT` at which shard 0 listens.
    Tcp(String),
}

/// What is done where tick 0 cannot be at the common instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LateStart {
    /// The run does not start.
    #[default]
    Refuse,
    /// It starts at once, and its log says how late.
    Run,
}

/// When a run begins, and with whom.
#[derive(Debug, Clone)]
pub struct Meeting {
    /// Tick 0 on the wall clock of this machine, nanoseconds since 1970; none: as soon as all are ready.
    pub start_at_ns: Option<u64>,
    /// What is done where that has passed.
    pub late: LateStart,
    /// Where the shards meet before.
    pub barrier: Option<Barrier>,
    /// How long this shard waits for the others.
    pub wait_max: Duration,
    /// Ends every wait once it is true.
    pub cancelled: Arc<AtomicBool>,
    /// The same, for a run that waits after its set-up: set once it was asked to stop.
    pub stopped: Arc<AtomicBool>,
    /// Whether shards that meet over TCP report what their observers say to shard 0, which judges it and stops
    /// all of them.
    pub judges: bool,
    /// A wall clock that is so far ahead, nanoseconds: for tests.
    pub wall_shift_ns: i64,
}

impl Default for Meeting {
    fn default() -> Meeting {
        Meeting {
            start_at_ns: None,
            late: LateStart::default(),
            barrier: None,
            wait_max: BARRIER_WAIT,
            cancelled: Arc::default(),
            stopped: Arc::default(),
            judges: false,
            wall_shift_ns: 0,
        }
    }
}

/// Shards that did not begin together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeetingError {
    /// Not all shards came in time.
    #[error("shards {missing} did not come to the barrier within {seconds} s")]
    Missing {
        /// Which ones: `2/4, 3/4`.
        missing: String,
        /// How long they were waited for.
        seconds: u64,
    },
    /// Shard 0 gave no start in time.
    #[error("shard 0 gave no start within {seconds} s; last: {last}")]
    NoStart {
        /// How long it was waited for.
        seconds: u64,
        /// What the last attempt came to.
        last: String,
    },
    /// Shard 0 does not take this shard.
    #[error("shard 0 refuses this shard: {reason}")]
    Refused {
        /// What it says.
        reason: String,
    },
    /// Two processes say that they are this shard.
    #[error("two processes say that they are shard {shard}")]
    Doubled {
        /// Which one.
        shard: Shard,
    },
    /// Shard 0 cannot listen.
    #[error("shard 0 cannot listen at {address}, which has to be an address of its machine")]
    Listen {
        /// What was given.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// The folder cannot be used.
    #[error("cannot use {} as a barrier", path.display())]
    Folder {
        /// The folder, or a file in it.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The common instant has passed.
    #[error(
        "the common start was {late_ms} ms ago, and a shard that begins more than 50 ms late is shifted \
         against the others: start it earlier, or accept it with `--late-start run`"
    )]
    Late {
        /// How long ago, milliseconds.
        late_ms: u64,
    },
    /// The run was cancelled while it waited.
    #[error("stopped while it waited for its start")]
    Cancelled,
}

/// The wait for something, bounded.
struct Wait<'a> {
    until: Instant,
    wait_max: Duration,
    meeting: &'a Meeting,
}

impl Wait<'_> {
    fn check(&self) -> Result<(), MeetingError> {
        match self.meeting.is_cancelled() {
            true => Err(MeetingError::Cancelled),
            false => Ok(()),
        }
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    fn seconds(&self) -> u64 {
        self.wait_max.as_secs()
    }
}

/// What the shards of one run know of each other before they meet.
#[derive(Debug, Clone, Copy)]
struct Party {
    shard: Shard,
    plan_digest: [u8; 32],
    wall_shift_ns: i64,
    /// The digest of what is judged over all shards, if anything is.
    rules: Option<[u8; 32]>,
}

impl Party {
    fn wall_ns(&self) -> u64 {
        clock::wall_ns().saturating_add_signed(self.wall_shift_ns)
    }

    /// The plan in 64 hexadecimal digits.
    fn plan(&self) -> String {
        LogDigest(self.plan_digest).to_string()
    }

    /// What is judged over all shards, if anything is, in 64 hexadecimal digits.
    fn rules(&self) -> Option<String> {
        self.rules.map(|digest| LogDigest(digest).to_string())
    }

    /// The shards with these numbers, in words.
    fn named(&self, indices: impl Iterator<Item = u16>) -> String {
        let of = self.shard.of();
        indices.map(|index| format!("{index}/{of}")).collect::<Vec<_>>().join(", ")
    }
}

/// How far this wall clock is ahead of that of shard 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Offset {
    ns: i64,
    /// The true one is at most so far from it, nanoseconds.
    error_ns: u64,
}

impl Offset {
    /// The others compare theirs with it.
    const OF_SHARD_0: Offset = Offset { ns: 0, error_ns: 0 };
}

/// What a barrier came to.
struct Met {
    /// The common instant on the wall clock of shard 0, nanoseconds.
    start_ns: u64,
    /// None in a folder: each shard takes the instant for one of its own clock.
    offset: Option<Offset>,
    link: Option<Link>,
    /// None unless something is judged over all shards.
    stop: Option<StopLink>,
}

/// Tick 0 of the run itself, and what belongs to it.
pub(super) struct Opening {
    pub(super) clock: Clock,
    /// Tick 0 on the wall clock, nanoseconds since 1970.
    pub(super) wall_epoch_ns: u64,
    /// What the log says about the wall clock.
    pub(super) facts: Vec<(String, u64)>,
    /// None unless something is judged over all shards.
    pub(super) stop: Option<StopLink>,
    closing: Option<Closing>,
}

/// What is asked again at the end of the run.
struct Closing {
    link: Option<Link>,
    party: Party,
}

impl Meeting {
    /// Whether tick 0 is settled with others, or for a given instant.
    pub(super) fn is_common(&self) -> bool {
        self.start_at_ns.is_some() || self.barrier.is_some()
    }

    fn is_cancelled(&self) -> bool {
        [&self.cancelled, &self.stopped].iter().any(|flag| flag.load(Ordering::Relaxed))
    }

    /// Tick 0 of what comes before the meeting.
    pub(super) fn at_once(&self, head_start_ns: u64) -> Opening {
        let wall_now = clock::wall_ns().saturating_add_signed(self.wall_shift_ns);
        Opening {
            clock: Clock::from_start_ns(sys::monotonic_ns() + head_start_ns),
            wall_epoch_ns: wall_now + head_start_ns,
            facts: Vec::new(),
            stop: None,
            closing: None,
        }
    }

    /// Descriptors that the connections of shard 0 to the others take: two of each for its barrier, and three more
    /// where something is judged over all shards. Those of the others are few.
    pub(super) fn descriptors(&self, shard: Shard) -> u64 {
        let is_served = matches!(self.barrier, Some(Barrier::Tcp(_))) && shard.index() == 0;
        let each = if self.judges { 5 } else { 2 };
        if is_served { (u64::from(shard.of()) - 1) * each } else { 0 }
    }

    /// Meets the other shards and settles tick 0, which is at least `head_start_ns` ahead.
    pub(super) fn open(
        &self,
        header: &LogHeader,
        head_start_ns: u64,
    ) -> Result<Opening, MeetingError> {
        let shard = header.partition().process();
        let party = Party {
            shard,
            plan_digest: header.plan_digest,
            wall_shift_ns: self.wall_shift_ns,
            rules: self.judges.then(|| rules(header)),
        };
        let wait =
            Wait { until: Instant::now() + self.wait_max, wait_max: self.wait_max, meeting: self };
        let met = match &self.barrier {
            Some(Barrier::Folder(path)) if !shard.is_whole() => {
                Some(folder::meet(path, &party, &wait)?)
            }
            Some(Barrier::Tcp(address)) if !shard.is_whole() => {
                Some(tcp::meet(address, &party, &wait)?)
            }
            Some(_) | None => None,
        };
        let (now, wall_now) = (sys::monotonic_ns(), party.wall_ns());
        let offset = met.as_ref().and_then(|met| met.offset);
        let common = self.start_at_ns.or_else(|| {
            let ahead_ns = offset.map_or(0, |offset| offset.ns);
            met.as_ref().map(|met| met.start_ns.saturating_add_signed(ahead_ns))
        });
        let earliest = wall_now + head_start_ns;
        let wall_epoch_ns = common.map_or(earliest, |common| common.max(earliest));
        let late_ns = wall_epoch_ns - common.unwrap_or(wall_epoch_ns);
        if late_ns > START_LATE_NS_MAX && self.late == LateStart::Refuse {
            return Err(MeetingError::Late { late_ms: late_ns / 1_000_000 });
        }
        let is_alone = shard.is_whole() && common.is_none();
        let mut facts = Vec::new();
        if !is_alone {
            facts.extend(clock_facts(offset));
        }
        if late_ns > START_LATE_NS_MAX {
            facts.push(("start_late_ns".to_owned(), late_ns));
        }
        let clock = Clock::from_start_ns(now + (wall_epoch_ns - wall_now));
        let (link, stop) = met.map_or((None, None), |met| (met.link, met.stop));
        let closing = (!is_alone).then_some(Closing { link, party });
        Ok(Opening { clock, wall_epoch_ns, facts, stop, closing })
    }

    /// Waits until shortly before tick 0.
    pub(super) fn wait_for(&self, clock: Clock) -> Result<(), MeetingError> {
        loop {
            let left_ns = clock.start_ns().saturating_sub(sys::monotonic_ns() + LAST_WAIT_NS);
            if left_ns == 0 {
                return Ok(());
            }
            if self.is_cancelled() {
                return Err(MeetingError::Cancelled);
            }
            std::thread::sleep(LOOK_EVERY.min(Duration::from_nanos(left_ns)));
        }
    }
}

impl Opening {
    /// What the footer says about the wall clock and a stop of all shards, asked at the end of the run.
    pub(super) fn at_end(
        &mut self,
        stop: Option<StopEnd>,
    ) -> Box<dyn FnOnce() -> Vec<(String, u64)> + Send> {
        let closing = self.closing.take();
        Box::new(move || {
            // Before the connection that shard 0 closes as it ends.
            let stop = stop.and_then(StopEnd::end);
            let mut facts = match closing {
                None => Vec::new(),
                Some(Closing { link, party }) => {
                    clock_facts(link.and_then(|link| link.measure_again(&party)))
                }
            };
            facts.extend(stop.iter().flat_map(ShardStop::totals));
            facts
        })
    }
}

/// The digest of what shards have to have in common so that one can judge for all: the scenario, and what was
/// changed in it.
fn rules(header: &LogHeader) -> [u8; 32] {
    let mut text = header.scenario_text.clone();
    for (name, value) in &header.overrides {
        text.push_str(&format!("\0{name}\0{value}"));
    }
    LogDigest::from_bytes(text.as_bytes()).0
}

/// The state of the wall clock, under the names of the log's register.
fn clock_facts(offset: Option<Offset>) -> Vec<(String, u64)> {
    let mut facts = Vec::new();
    let mut fact = |name: &str, value: u64| facts.push((name.to_owned(), value));
    if let Ok((state, max_error_ns)) = sys::clock_state() {
        fact("clock_state", state);
        fact("clock_max_error_ns", max_error_ns);
    }
    if let Some(Offset { ns, error_ns }) = offset {
        fact("clock_offset_ns", ns.cast_unsigned());
        fact("clock_offset_error_ns", error_ns);
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(shard: Shard) -> LogHeader {
        LogHeader {
            shard: shard.index(),
            shards: shard.of(),
            plan_digest: [7; 32],
            ..LogHeader::default()
        }
    }

    fn whole() -> LogHeader {
        header(Shard::WHOLE)
    }

    #[test]
    fn a_run_alone_starts_after_its_head_start_and_says_nothing_of_clocks() {
        let before = sys::monotonic_ns();
        let mut opening = Meeting::default().open(&whole(), 5_000_000).unwrap();
        assert!(opening.clock.start_ns() >= before + 5_000_000);
        assert!(opening.facts.is_empty() && opening.at_end(None)().is_empty());
    }

    #[test]
    fn tick_0_is_at_the_instant_that_was_given_on_the_clock_of_this_machine() {
        let (mono, wall) = (sys::monotonic_ns(), sys::wall_ns());
        let at_ns = wall + 100_000_000_000;
        let opening = |wall_shift_ns| {
            let meeting = Meeting { start_at_ns: Some(at_ns), wall_shift_ns, ..Meeting::default() };
            meeting.open(&whole(), 5_000_000).unwrap()
        };
        let exact = opening(0);
        assert_eq!(exact.wall_epoch_ns, at_ns);
        // Reading two clocks takes time, and the wall clock may be slewed.
        let near = |opening: &Opening, ahead_ns: u64| {
            opening.clock.start_ns().abs_diff(mono + ahead_ns) < 10_000_000_000
        };
        assert!(near(&exact, 100_000_000_000));
        let shifted = opening(50_000_000_000);
        assert_eq!(shifted.wall_epoch_ns, at_ns);
        assert!(near(&shifted, 50_000_000_000), "a clock that is ahead starts early");
    }

    #[test]
    fn shard_0_needs_descriptors_for_the_others() {
        let needed = |meeting: &Meeting, index| meeting.descriptors(Shard::new(index, 4).unwrap());
        let tcp = at(&Barrier::Tcp("a:1".to_owned()));
        assert_eq!((needed(&tcp, 0), needed(&tcp, 1)), (6, 0));
        assert_eq!(needed(&Meeting { judges: true, ..tcp }, 0), 15);
        assert_eq!(needed(&Meeting::default(), 0), 0);
    }

    #[test]
    fn a_late_start_is_refused_or_marked() {
        let at_ns = sys::wall_ns() - 700_000_000;
        let meeting = Meeting { start_at_ns: Some(at_ns), ..Meeting::default() };
        let Err(MeetingError::Late { late_ms }) = meeting.open(&whole(), 0) else { panic!() };
        assert!((700..60_000).contains(&late_ms), "{late_ms}");
        let meeting = Meeting { late: LateStart::Run, ..meeting };
        let opening = meeting.open(&whole(), 0).unwrap();
        let late = opening.facts.iter().find(|(name, _)| name == "start_late_ns").unwrap().1;
        assert_eq!(opening.wall_epoch_ns - late, at_ns);
    }

    #[test]
    fn a_wait_for_the_start_can_be_cancelled() {
        let meeting = Meeting::default();
        meeting.cancelled.store(true, Ordering::Relaxed);
        let far = Clock::from_start_ns(sys::monotonic_ns() + 3_600_000_000_000);
        assert!(matches!(meeting.wait_for(far), Err(MeetingError::Cancelled)));
    }

    /// All shards of a run meet, each on a thread of its own.
    fn meet(shards: u16, each: impl Fn(Shard) -> Meeting + Sync) -> Vec<Opening> {
        let each = &each;
        std::thread::scope(|scope| {
            let all = (0..shards).map(|index| Shard::new(index, shards).unwrap());
            let open =
                |shard: Shard| scope.spawn(move || each(shard).open(&header(shard), 0).unwrap());
            let threads: Vec<_> = all.map(open).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    fn at(barrier: &Barrier) -> Meeting {
        let wait_max = Duration::from_secs(60);
        Meeting { barrier: Some(barrier.clone()), wait_max, ..Meeting::default() }
    }

    fn free_address() -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    }

    fn offset(facts: &[(String, u64)]) -> Option<i64> {
        let fact = facts.iter().find(|(name, _)| name == "clock_offset_ns");
        fact.map(|(_, ns)| ns.cast_signed())
    }

    #[test]
    fn shards_that_meet_over_tcp_begin_together_whatever_their_clocks_say() {
        let barrier = Barrier::Tcp(free_address());
        let shift = |shard: Shard| if shard.index() == 2 { 300_000_000 } else { 0 };
        let mut met = meet(4, |shard| Meeting { wall_shift_ns: shift(shard), ..at(&barrier) });
        let starts: Vec<u64> = met.iter().map(|opening| opening.clock.start_ns()).collect();
        let apart = starts.iter().max().unwrap() - starts.iter().min().unwrap();
        assert!(apart < 100_000_000, "{apart} ns apart");
        assert_eq!(offset(&met[0].facts), Some(0), "the others are compared with it");
        let found = offset(&met[2].facts).unwrap();
        assert!(found.abs_diff(300_000_000) < 100_000_000, "{found}");
        assert!(offset(&met[3].facts).unwrap().abs() < 100_000_000);
        // At the end once more, as long as shard 0 is there.
        let again = offset(&met[2].at_end(None)()).unwrap();
        assert!(again.abs_diff(300_000_000) < 100_000_000, "{again}");
    }

    #[test]
    fn shards_that_meet_in_a_folder_begin_together_and_leave_it_empty() {
        let folder = tempfile::tempdir().unwrap();
        let barrier = Barrier::Folder(folder.path().to_owned());
        // Left behind by shards that were killed.
        let party = Party {
            shard: Shard::new(1, 3).unwrap(),
            plan_digest: [7; 32],
            wall_shift_ns: 0,
            rules: None,
        };
        std::fs::write(folder::ready_path(folder.path(), &party, 1), "z6-barrier 1 5 9\n").unwrap();
        std::fs::write(folder::go_path(folder.path(), &party), "start 1\n1 5\n").unwrap();
        let met = meet(3, |_| at(&barrier));
        let epochs: Vec<u64> = met.iter().map(|opening| opening.wall_epoch_ns).collect();
        assert!(epochs.iter().all(|epoch| *epoch == epochs[0]), "{epochs:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn who_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for barrier in [Barrier::Tcp(free_address()), Barrier::Folder(folder.path().to_owned())] {
            let wait_max = Duration::from_millis(200);
            let meeting = Meeting { wait_max, ..at(&barrier) };
            let first = meeting.open(&header(Shard::new(0, 3).unwrap()), 0).err().unwrap();
            assert!(first.to_string().contains("shards 1/3, 2/3 did not come"), "{first}");
            let other = meeting.open(&header(Shard::new(1, 3).unwrap()), 0).err().unwrap();
            assert!(other.to_string().contains("gave no start within 0 s"), "{other}");
        }
    }

    #[test]
    fn a_shard_of_another_plan_and_one_that_is_there_already_are_refused() {
        let address = free_address();
        let meeting = Meeting { wait_max: Duration::from_secs(60), ..at(&Barrier::Tcp(address)) };
        std::thread::scope(|scope| {
            let cancelled = Arc::clone(&meeting.cancelled);
            let server = scope.spawn(|| meeting.open(&header(Shard::new(0, 3).unwrap()), 0));
            // Another run's cancellation would end these two as well.
            let own = || Meeting { cancelled: Arc::default(), ..meeting.clone() };
            let (one, foreign) = (header(Shard::new(1, 3).unwrap()), own());
            let foreign = foreign.open(&LogHeader { plan_digest: [8; 32], ..one.clone() }, 0);
            let refused = foreign.err().unwrap();
            assert!(refused.to_string().contains("another plan"), "{refused}");
            let flags: [Arc<AtomicBool>; 2] = Default::default();
            let ends = flags.each_ref().map(|flag| {
                let meeting = Meeting { cancelled: Arc::clone(flag), ..meeting.clone() };
                let one = one.clone();
                scope.spawn(move || meeting.open(&one, 0).err().unwrap().to_string())
            });
            while !ends.iter().any(std::thread::ScopedJoinHandle::is_finished) {
                std::thread::yield_now();
            }
            flags.iter().for_each(|flag| flag.store(true, Ordering::Relaxed));
            cancelled.store(true, Ordering::Relaxed);
            let said: Vec<String> = ends.into_iter().map(|end| end.join().unwrap()).collect();
            assert!(said.iter().any(|said| said.contains("already")), "{said:?}");
            assert!(matches!(server.join().unwrap().err(), Some(MeetingError::Cancelled)));
        });
    }
}
