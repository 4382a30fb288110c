//! A worker's own condition, once a second. Opens its file once and allocates nothing afterwards.
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "reads /proc")]

use std::fs::File;
use std::os::unix::fs::FileExt;

use z6_events::Sample;

use super::clock;
use super::sys;

/// Bytes of a page, as /proc/self/statm counts.
const PAGE_BYTES: u64 = 4096;

/// Takes samples.
#[derive(Debug)]
pub(super) struct Sampler {
    statm: Option<File>,
    cpu_start_ns: u64,
    wall_offset_start_ns: u64,
    pass_max_ns: u64,
    spin_ns: u64,
}

impl Sampler {
    pub(super) fn new() -> Sampler {
        // Where /proc is not mounted, memory is reported as 0.
        let statm = File::open("/proc/self/statm").ok();
        Sampler { statm, cpu_start_ns: 0, wall_offset_start_ns: 0, pass_max_ns: 0, spin_ns: 0 }
    }

    /// Called on the worker's thread at the start.
    pub(super) fn begin(&mut self) {
        self.cpu_start_ns = sys::thread_usage().cpu_ns;
        self.wall_offset_start_ns = clock::wall_offset_ns();
    }

    /// A pass of the loop took this long, nanoseconds.
    pub(super) fn pass_took(&mut self, ns: u64) {
        self.pass_max_ns = self.pass_max_ns.max(ns);
    }

    /// The loop spun for this long, nanoseconds.
    pub(super) fn spun(&mut self, ns: u64) {
        self.spin_ns += ns;
    }

    pub(super) fn take(&mut self, log_queue: u64, log_stall_ns: u64, loop_passes: u64) -> Sample {
        let usage = sys::thread_usage();
        Sample {
            thread_cpu_ns: usage.cpu_ns.saturating_sub(self.cpu_start_ns),
            spin_ns: self.spin_ns,
            switches_voluntary: usage.switches_voluntary,
            switches_involuntary: usage.switches_involuntary,
            resident_bytes: self.resident_bytes(),
            log_queue,
            log_stall_ns,
            loop_passes,
            loop_pass_max_ns: std::mem::take(&mut self.pass_max_ns),
            wall_clock_shift_ns: clock::wall_offset_ns().wrapping_sub(self.wall_offset_start_ns),
        }
    }

    /// Second field of statm: resident pages.
    fn resident_bytes(&self) -> u64 {
        let mut text = [0u8; 128];
        let Some(Ok(length)) = self.statm.as_ref().map(|file| file.read_at(&mut text, 0)) else {
            return 0;
        };
        let mut fields = text[..length].split(|byte| *byte == b' ');
        let resident = fields.nth(1).unwrap_or_default();
        let pages = resident
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .fold(0u64, |n, byte| n.wrapping_mul(10).wrapping_add(u64::from(byte - b'0')));
        pages * PAGE_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_sees_this_very_process() {
        let mut sampler = Sampler::new();
        sampler.begin();
        sampler.pass_took(5);
        sampler.pass_took(3);
        let sample = sampler.take(2, 7, 9);
        assert!(sample.resident_bytes > 100_000, "{sample:?}");
        assert_eq!((sample.log_queue, sample.log_stall_ns, sample.loop_passes), (2, 7, 9));
        assert_eq!(sample.loop_pass_max_ns, 5);
        assert_eq!(sampler.take(0, 0, 0).loop_pass_max_ns, 0, "a maximum since the last sample");
    }
}
