//! What workers, writer and coordinator see of each other: a few atomics and one channel, none of
//! them touched on the way of a request.

use std::sync::atomic::{AtomicU8, Ordering};

use crossbeam_channel::Sender;
use z6_events::{ErrorKind, Phase, StopReason, TargetId, Tick};

use super::transport::Address;
use crate::log_file::LogError;

/// A connection attempt that failed, or was under way at the end of the run: what an end with "no target"
/// reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptFailure {
    /// Where it was to go.
    pub address: Address,
    /// Why the attempt failed; none if it was still under way at the end of the run.
    pub error: Option<ErrorKind>,
    /// The errno, or 0.
    pub errno: u64,
    /// More words about it, which may come from the server, or the source address that is a bad one;
    /// often empty.
    pub note: String,
    /// When the attempt began.
    pub started: Tick,
}

/// What threads tell the coordinator.
#[derive(Debug)]
pub(super) enum Notice {
    /// A worker's thread has ended.
    WorkerEnded,
    /// The thread that meets the other shards after set-up has ended.
    MeetingEnded,
    /// A worker's first attempt to connect to a target begins. As long as it has had no connection.
    AttemptStarted(TargetId, AttemptFailure),
    /// A worker's first attempt to connect to one of a target's addresses failed. As long as it has had
    /// no connection.
    AttemptFailed(TargetId, u16, AttemptFailure),
    /// A worker's first connection is ready.
    Connected,
    /// A request of this phase got a complete response: the first one.
    Answered(Phase),
    /// The log cannot be written any more.
    LogFailed(LogError),
    /// The log has reached `max_event_log_bytes`, in this phase.
    LogFull(Phase),
    /// Somebody asks the run to stop.
    Stop(StopReason),
    /// Somebody asks the run to stop without a grace period.
    StopNow(StopReason),
}

/// One worker, seen from outside.
#[derive(Debug, Default)]
pub(super) struct WorkerState {
    /// The code of a stop reason, and [`WorkerState::AT_ONCE`].
    stop: AtomicU8,
}

impl WorkerState {
    /// The grace period ends as soon as it has begun.
    const AT_ONCE: u8 = 1 << 7;

    /// Leaves a stop reason for the worker; the first one stays until it is taken.
    pub(super) fn ask_to_stop(&self, reason: StopReason) {
        let _ = self.stop.compare_exchange(0, reason.code(), Ordering::AcqRel, Ordering::Acquire);
    }

    /// The same, without a grace period.
    pub(super) fn ask_to_stop_now(&self, reason: StopReason) {
        self.ask_to_stop(reason);
        self.stop.fetch_or(WorkerState::AT_ONCE, Ordering::AcqRel);
    }

    /// Takes the stop reason, if one was left, and whether to stop at once.
    pub(super) fn take_stop(&self) -> Option<(StopReason, bool)> {
        let left = self.stop.swap(0, Ordering::AcqRel);
        let reason = StopReason::from_code(left & !WorkerState::AT_ONCE)?;
        Some((reason, left & WorkerState::AT_ONCE != 0))
    }
}

/// What a worker reports of its attempts to connect, until it has a connection: what the coordinator needs
/// to know whether there is a target.
#[derive(Debug)]
pub(super) struct Reports {
    notices: Sender<Notice>,
    has_connected: bool,
    /// By target, whether it was tried, and whether each of its addresses has failed.
    tried: Vec<(bool, Vec<bool>)>,
}

impl Reports {
    /// `addresses` holds the number of addresses of each target.
    pub(super) fn new(
        notices: Sender<Notice>,
        addresses: impl IntoIterator<Item = usize>,
    ) -> Reports {
        let tried = addresses.into_iter().map(|count| (false, vec![false; count])).collect();
        Reports { notices, has_connected: false, tried }
    }

    /// A connection is ready.
    pub(super) fn connected(&mut self) {
        if !std::mem::replace(&mut self.has_connected, true) {
            self.tell(Notice::Connected);
        }
    }

    /// An attempt begins.
    pub(super) fn attempt_started(&mut self, target: TargetId, address: &Address, started: Tick) {
        if self.has_connected || std::mem::replace(&mut self.tried[target.index()].0, true) {
            return;
        }
        let address = address.clone();
        let under_way =
            AttemptFailure { address, error: None, errno: 0, note: String::new(), started };
        self.tell(Notice::AttemptStarted(target, under_way));
    }

    /// An attempt failed.
    pub(super) fn attempt_failed(
        &mut self,
        target: TargetId,
        address: u16,
        failure: impl FnOnce() -> AttemptFailure,
    ) {
        let failed = &mut self.tried[target.index()].1[usize::from(address)];
        if self.has_connected || std::mem::replace(failed, true) {
            return;
        }
        self.tell(Notice::AttemptFailed(target, address, failure()));
    }

    /// The whole run has to stop.
    pub(super) fn ask_to_stop(&self, reason: StopReason) {
        self.tell(Notice::Stop(reason));
    }

    fn tell(&self, notice: Notice) {
        // A coordinator that is gone has no use for it.
        let _ = self.notices.send(notice);
    }
}
