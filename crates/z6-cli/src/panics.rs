//! A panic, on whatever thread, is one clear message and exit code 4.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::console;
use crate::exit::Exit;

/// Runs `main`, with panics said once.
pub(crate) fn guarded(main: impl FnOnce() -> Exit) -> Exit {
    let is_said = AtomicBool::new(false);
    set_hook(Box::new(move |info| {
        // One thread's panic may bring others down: the first one says why.
        if !is_said.swap(true, Ordering::AcqRel) {
            say(info);
        }
    }));
    catch_unwind(AssertUnwindSafe(main)).unwrap_or(Exit::Bug)
}

fn say(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let what = text.unwrap_or("no words");
    let place = info.location().map(|at| format!(" ({}:{})", at.file(), at.line()));
    console::error(&format!(
        "a bug in Z6: {what}{}; please report it with the scenario",
        place.unwrap_or_default()
    ));
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        console::plain(&backtrace.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_bug() {
        assert_eq!(guarded(|| panic!("as the test asks for")), Exit::Bug);
        assert_eq!(guarded(|| Exit::Success), Exit::Success);
    }
}
