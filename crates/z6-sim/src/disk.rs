//! The simulated log writer: seals blocks, writes them in pieces, slowly, or not at all, and shows what
//! was written to an observer. It is to the simulator what the log-writer thread is to the reactor.

use std::collections::VecDeque;

use z6_events::{LogAssembler, LogDigest, LogHeader, Phase, SealedBlock, StopReason, Tick};
use z6_scenario::PROJECTION_PREFIX;
use z6_scenario::simulation::{FaultKind, Faults};
use z6_vu::observer::{Observer, ReadBack};
use z6_vu::run_end::{LOG_RESERVE_BYTES_PER_WORKER, RunEnd};

use crate::coverage::FaultCounts;
use crate::draw::{Draws, Purpose, hits};
use crate::error::{SimError, SimLogError};
use crate::spec::{LogOut, SimSpec};

/// Blocks of a worker that may wait to be written before the worker has to.
const BLOCKS_WAITING_MAX: usize = 4;
/// Mean of the time a slow write takes, nanoseconds.
const STALL_MEAN_NS: u64 = 400_000_000;
/// The longest, nanoseconds.
const STALL_MAX_NS: u64 = 3_000_000_000;

/// What a block leads to.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// The worker waits until then.
    pub(crate) wait_until: Option<Tick>,
    /// The run has to stop.
    pub(crate) stop: Option<StopReason>,
}

/// How a log ended.
pub(crate) struct DiskEnd<O, L> {
    pub(crate) observer: O,
    pub(crate) log: L,
    /// All that was written, if it is kept.
    pub(crate) copy: Vec<u8>,
    pub(crate) end: RunEnd,
    pub(crate) digest: Option<LogDigest>,
    pub(crate) bytes: u64,
    pub(crate) error: Option<SimLogError>,
}

/// A log being written.
pub(crate) struct Disk<O, L> {
    log: L,
    /// All bytes written, if they are kept.
    copy: Option<Vec<u8>>,
    observer: O,
    assembler: LogAssembler,
    read_back: ReadBack,
    error: Option<SimLogError>,
    phase: Phase,
    limit_bytes: u64,
    /// How much further it may go in tear-down.
    teardown_bytes: u64,
    limit_told: Option<Phase>,
    /// The observer has asked for the end.
    stop_told: bool,
    /// In which phase the place where the log goes has first asked for it.
    asked: Option<Phase>,
    draws: Draws,
    free: Tick,
    /// By worker: when its blocks are written.
    waiting: Vec<VecDeque<Tick>>,
}

impl<O: Observer, L: LogOut> Disk<O, L> {
    pub(crate) fn begin(
        header: &LogHeader,
        spec: &SimSpec,
        keeps: bool,
        (observer, mut log): (O, L),
    ) -> Result<Disk<O, L>, SimError> {
        let limits = &spec.scenario.limits;
        let (mut assembler, mut bytes) = LogAssembler::new(header)?;
        let mut stored_bytes = 0u64;
        for file in &spec.attached {
            let length = file.content.len() as u64;
            // How many rows a data file has is always there: replay draws by it.
            let is_stored = file.name.starts_with(PROJECTION_PREFIX)
                || stored_bytes + length <= limits.max_attachment_bytes;
            stored_bytes += if is_stored { length } else { 0 };
            bytes.extend(assembler.attachment(&file.name, &file.content, is_stored)?);
        }
        log.write(&bytes).map_err(|_| SimError::LogOut)?;
        let has_teardown = spec.scenario.teardown.is_some();
        let teardown_bytes = if has_teardown { 2 * LOG_RESERVE_BYTES_PER_WORKER } else { 0 };
        let reserve = LOG_RESERVE_BYTES_PER_WORKER * u64::from(header.workers) + teardown_bytes;
        Ok(Disk {
            copy: keeps.then_some(bytes),
            log,
            observer,
            assembler,
            read_back: ReadBack::new(header),
            error: None,
            phase: Phase::Main,
            limit_bytes: limits.max_event_log_bytes.saturating_sub(reserve),
            teardown_bytes: teardown_bytes / 2,
            limit_told: None,
            stop_told: false,
            asked: None,
            draws: Draws::new(spec.world_seed(Phase::Main)),
            free: Tick::ZERO,
            waiting: (0..header.workers).map(|_| VecDeque::new()).collect(),
        })
    }

    /// A phase begins when the one before it was over at `end`. What was slow to be written then still is.
    pub(crate) fn begin_phase(&mut self, phase: Phase, end: Tick) {
        self.phase = phase;
        self.free = Tick(self.free.since(end));
        self.waiting.iter_mut().for_each(VecDeque::clear);
    }

    /// Blocks of a worker that are not written yet.
    pub(crate) fn queued(&self, worker: usize) -> u64 {
        self.waiting[worker].len() as u64
    }

    /// Takes a block at `now`.
    pub(crate) fn take(
        &mut self,
        now: Tick,
        mut block: SealedBlock,
        faults: Faults,
        injected: &mut FaultCounts,
    ) -> Taken {
        let mut taken = Taken::default();
        if self.error.is_some() {
            return taken;
        }
        let mut draws = self.draws.world(Purpose::LogBlock, 0, self.assembler.blocks());
        let is_full = hits(faults.get(FaultKind::LogFull), &mut draws);
        let is_short = hits(faults.get(FaultKind::LogShortWrite), &mut draws);
        let is_slow = hits(faults.get(FaultKind::LogStall), &mut draws);
        if is_full {
            injected.count(FaultKind::LogFull);
            taken.stop = self.fail(SimLogError::Full);
            return taken;
        }
        let worker = usize::from(block.worker().0);
        self.free = self.free.max(now);
        if is_slow {
            injected.count(FaultKind::LogStall);
            let ns = draws.exponential_ns(STALL_MEAN_NS, STALL_MAX_NS);
            self.free = self.free.plus_ns(ns);
        }
        taken.wait_until = self.enqueue(worker, now);
        let cut = if is_short {
            injected.count(FaultKind::LogShortWrite);
            Some(draws.uniform(1, 1 << 12) as usize)
        } else {
            None
        };
        if let Err(error) = self.write(&mut block, cut) {
            taken.stop = self.fail(error);
            return taken;
        }
        let in_teardown = self.phase == Phase::TearDown;
        let more = if in_teardown { self.teardown_bytes } else { 0 };
        let is_full = self.assembler.bytes() >= self.limit_bytes.saturating_add(more);
        if is_full && self.limit_told != Some(self.phase) {
            self.limit_told = Some(self.phase);
            taken.stop = Some(StopReason::LogLimit);
        }
        taken.stop = taken.stop.or_else(|| self.asks_for_the_end());
        if taken.stop.is_none() && !self.stop_told {
            taken.stop = self.observer.stop();
            self.stop_told = taken.stop.is_some();
            // What the run itself was to be stopped for is over.
            taken.stop = taken.stop.filter(|why| !in_teardown || *why != StopReason::Assertion);
        }
        taken
    }

    /// Nothing more is written. What is to be cleaned up is cleaned up, logged or not.
    fn fail(&mut self, error: SimLogError) -> Option<StopReason> {
        self.error = Some(error);
        (self.phase != Phase::TearDown).then_some(StopReason::DiskFull)
    }

    /// Whether the place where the log goes asks for the end. It repeats itself: what it has asked for before
    /// tear-down does not concern that.
    fn asks_for_the_end(&mut self) -> Option<StopReason> {
        let reason = self.log.stop()?;
        let first = *self.asked.get_or_insert(self.phase);
        (self.phase != Phase::TearDown || first == Phase::TearDown).then_some(reason)
    }

    /// Takes another block of `worker`; returns until when that worker has to wait for an empty buffer.
    fn enqueue(&mut self, worker: usize, now: Tick) -> Option<Tick> {
        let waiting = &mut self.waiting[worker];
        while waiting.front().is_some_and(|written| *written <= now) {
            waiting.pop_front();
        }
        if self.free > now {
            waiting.push_back(self.free);
        }
        let surplus = waiting.len().checked_sub(BLOCKS_WAITING_MAX + 1)?;
        waiting.get(surplus).copied()
    }

    /// Writes a block, in pieces of `cut` bytes if the file takes no more at once, and shows it.
    fn write(&mut self, block: &mut SealedBlock, cut: Option<usize>) -> Result<(), SimLogError> {
        let bytes = self.assembler.seal(block);
        let cut = cut.unwrap_or(bytes.len()).max(1);
        for piece in bytes.chunks(cut) {
            self.log.write(piece).map_err(|_| SimLogError::Out)?;
            if let Some(copy) = &mut self.copy {
                copy.extend_from_slice(piece);
            }
        }
        self.read_back.show(&self.assembler, block, &mut self.observer)?;
        Ok(())
    }

    /// The footer, if the log is whole.
    pub(crate) fn finish(self, is_whole: bool) -> DiskEnd<O, L> {
        let Disk { mut log, copy, observer, assembler, read_back, mut error, .. } = self;
        let end = read_back.into_end();
        let mut copy = copy.unwrap_or_default();
        let mut bytes = assembler.bytes();
        let mut digest = None;
        if is_whole && error.is_none() {
            match assembler.footer(&end.footer()) {
                Ok((footer, receipt)) => match log.write(&footer) {
                    Ok(()) => {
                        bytes += footer.len() as u64;
                        copy.extend_from_slice(&footer);
                        digest = Some(receipt);
                    }
                    Err(_) => error = Some(SimLogError::Out),
                },
                Err(source) => error = Some(SimLogError::Format(source)),
            }
        }
        DiskEnd { observer, log, copy, end, digest, bytes, error }
    }
}
