//! Turns a panic on any thread into one clear message and exit code 4.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::console;
use crate::exit::Exit;

/// Runs `main` and reports the first panic.
pub(crate) fn catch_panics(main: impl FnOnce() -> Exit) -> Exit {
    let is_reported = AtomicBool::new(false);
    set_hook(Box::new(move |info| {
        // One panic may cause others on other threads; only the first one is the cause.
        if !is_reported.swap(true, Ordering::AcqRel) {
            report(info);
        }
    }));
    catch_unwind(AssertUnwindSafe(main)).unwrap_or(Exit::Bug)
}

fn report(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let what = text.unwrap_or("panic without a message");
    let place = info.location().map(|at| format!(" ({}:{})", at.file(), at.line()));
    console::error(&format!(
        "a bug in Z6: {what}{}; please report it with the scenario",
        place.unwrap_or_default()
    ));
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        console::lines(&backtrace.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_bug() {
        assert_eq!(catch_panics(|| panic!("intended by the test")), Exit::Bug);
        assert_eq!(catch_panics(|| Exit::Success), Exit::Success);
    }
}
