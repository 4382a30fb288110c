//! What workers, writer and coordinator see of each other: a few atomics and one channel, none of
//! them touched on the way of a request.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use crossbeam_channel::Sender;
use z6_events::{ErrorKind, StopReason, Tick};

use super::transport::Address;
use crate::log_file::LogError;

/// A connection attempt that failed: what an end with "no target" reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptFailure {
    /// Where it was to go.
    pub address: Address,
    /// Why the attempt failed.
    pub error: ErrorKind,
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
    /// The first attempt of a worker failed.
    AttemptFailed,
    /// The log cannot be written any more.
    LogFailed(LogError),
    /// The log has reached `max_event_log_bytes`.
    LogFull,
    /// Somebody asks the run to stop.
    Stop(StopReason),
}

/// One worker, seen from outside.
#[derive(Debug)]
pub(super) struct WorkerState {
    stop: AtomicU8,
    connected: AtomicBool,
    failure: Mutex<Option<AttemptFailure>>,
}

impl WorkerState {
    pub(super) fn new() -> WorkerState {
        WorkerState {
            stop: AtomicU8::new(0),
            connected: AtomicBool::new(false),
            failure: Mutex::new(None),
        }
    }

    /// Leaves a stop reason for the worker; the first one stays until it is taken.
    pub(super) fn ask_to_stop(&self, reason: StopReason) {
        let _ = self.stop.compare_exchange(0, reason.code(), Ordering::AcqRel, Ordering::Acquire);
    }

    /// Takes the stop reason, if one was left.
    pub(super) fn take_stop(&self) -> Option<StopReason> {
        StopReason::from_code(self.stop.swap(0, Ordering::AcqRel))
    }

    fn mark_connected(&self) {
        self.connected.store(true, Ordering::Release);
    }

    pub(super) fn has_connected(&self) -> bool {
        self.connected.load(Ordering::Acquire)
    }

    /// Keeps the first failed attempt and tells the coordinator.
    fn report_failure(&self, failure: AttemptFailure, notices: &Sender<Notice>) {
        let mut first = lock(&self.failure);
        if first.is_none() {
            *first = Some(failure);
            // A coordinator that is gone has no use for it.
            let _ = notices.send(Notice::AttemptFailed);
        }
    }

    pub(super) fn first_failure(&self) -> Option<AttemptFailure> {
        lock(&self.failure).clone()
    }
}

/// What a worker reports while it runs.
#[derive(Debug)]
pub(super) struct Reports {
    state: Arc<WorkerState>,
    notices: Sender<Notice>,
}

impl Reports {
    pub(super) fn new(state: Arc<WorkerState>, notices: Sender<Notice>) -> Reports {
        Reports { state, notices }
    }

    /// A connection was ready.
    pub(super) fn connected(&self) {
        self.state.mark_connected();
    }

    /// An attempt failed.
    pub(super) fn attempt_failed(&self, failure: AttemptFailure) {
        self.state.report_failure(failure, &self.notices);
    }
}

/// Locks; what a panicked thread left is whole, as every write here is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
