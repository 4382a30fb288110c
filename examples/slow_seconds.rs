//! A log read again: for each second, the share of the responses that took longer than 10 ms.
//!
//! `cargo run --release -p z6 --example slow_seconds -- results/run_20260101T000000Z`
#![allow(clippy::print_stdout, reason = "an example prints something")]

use std::path::Path;
use std::time::Duration;

use z6::{Log, ReadError};

const LIMIT: Duration = Duration::from_millis(10);

/// Slow responses and all responses, by the second in which they were complete.
pub(crate) fn read(path: &Path) -> Result<Vec<(u64, u64)>, ReadError> {
    let mut seconds: Vec<(u64, u64)> = Vec::new();
    for request in Log::open(path)?.requests()? {
        let request = request?;
        let (Some(done), Some(time)) = (request.done, request.response_time()) else { continue };
        let second = done.as_duration().as_secs() as usize;
        if seconds.len() <= second {
            seconds.resize(second + 1, (0, 0));
        }
        seconds[second].0 += u64::from(time > LIMIT);
        seconds[second].1 += 1;
    }
    Ok(seconds)
}

#[allow(dead_code, reason = "the tests call `read`")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: slow_seconds LOG")?;
    for (second, (slow, all)) in read(Path::new(&path))?.into_iter().enumerate() {
        println!("{second:>4} s  {:5.1} % of {all}", 100.0 * slow as f64 / all.max(1) as f64);
    }
    Ok(())
}
