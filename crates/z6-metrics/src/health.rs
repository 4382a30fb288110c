//! What a worker's samples say about the generator itself: CPU, log stalls, the wall clock. Knows
//! nothing of requests.

use z6_events::{Sample, Tick};

/// One worker's condition over the measured part of the run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Health {
    /// The newest sample not after the warm-up; the start of the run until there is one.
    base: (Tick, Sample),
    /// The newest sample not after the end tick.
    newest: Option<(Tick, Sample)>,
    /// Sum of the stalls logged one by one.
    stalls_ns: u64,
    /// Total stall time of the newest sample.
    stall_total_ns: u64,
    /// Longest pass of the loop, nanoseconds.
    loop_pass_max_ns: u64,
    wall_shift_ns: i64,
    /// Largest step of the wall clock between two samples, nanoseconds.
    wall_step_max_ns: u64,
}

impl Health {
    pub(crate) fn sample(&mut self, at: Tick, sample: &Sample, warmup: Tick, ended: bool) {
        self.stall_total_ns = self.stall_total_ns.max(sample.log_stall_ns);
        let shift = i64::from_ne_bytes(sample.wall_clock_shift_ns.to_ne_bytes());
        let step = shift.wrapping_sub(self.wall_shift_ns).unsigned_abs();
        self.wall_step_max_ns = self.wall_step_max_ns.max(step);
        self.wall_shift_ns = shift;
        if at <= warmup {
            self.base = (at, *sample);
        } else {
            self.loop_pass_max_ns = self.loop_pass_max_ns.max(sample.loop_pass_max_ns);
            if !ended {
                self.newest = Some((at, *sample));
            }
        }
    }

    pub(crate) fn stalled(&mut self, waited_ns: u64) {
        self.stalls_ns = self.stalls_ns.saturating_add(waited_ns);
    }

    /// Time the loop waited for a log buffer, nanoseconds: samples and single events tell the same
    /// stalls, so the larger of the two.
    pub(crate) fn log_stall_ns(&self) -> u64 {
        self.stalls_ns.max(self.stall_total_ns)
    }

    /// Longest pass of the loop after the warm-up, nanoseconds.
    pub(crate) const fn loop_pass_max_ns(&self) -> u64 {
        self.loop_pass_max_ns
    }

    /// Largest step of the wall clock between two samples, nanoseconds.
    pub(crate) const fn wall_step_max_ns(&self) -> u64 {
        self.wall_step_max_ns
    }

    /// CPU time of the loop thread without spinning, as a share of one core; none without a sample.
    pub(crate) fn cpu_fraction(&self) -> Option<f64> {
        let (to, newest) = self.newest?;
        let (from, base) = self.base;
        let elapsed_ns = to.since(from);
        if elapsed_ns == 0 {
            return None;
        }
        let cpu = newest.thread_cpu_ns.saturating_sub(base.thread_cpu_ns);
        let spin = newest.spin_ns.saturating_sub(base.spin_ns);
        Some(cpu.saturating_sub(spin) as f64 / elapsed_ns as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(cpu_ms: u64, spin_ms: u64, shift_ns: i64) -> Sample {
        Sample {
            thread_cpu_ns: cpu_ms * 1_000_000,
            spin_ns: spin_ms * 1_000_000,
            wall_clock_shift_ns: u64::from_ne_bytes(shift_ns.to_ne_bytes()),
            ..Sample::default()
        }
    }

    #[test]
    fn cpu_is_of_the_measured_part_and_without_spinning() {
        let mut health = Health::default();
        let second = |n: u64| Tick(n * 1_000_000_000);
        health.sample(second(1), &sample(1_000, 0, 0), second(1), false);
        assert_eq!(health.cpu_fraction(), None);
        health.sample(second(3), &sample(2_000, 500, 0), second(1), false);
        assert_eq!(health.cpu_fraction(), Some(0.25));
        health.sample(second(9), &sample(9_000, 500, 0), second(1), true);
        assert_eq!(health.cpu_fraction(), Some(0.25), "the grace period does not count");
    }

    #[test]
    fn a_step_of_the_wall_clock_is_seen_in_both_directions() {
        for step in [3_600_000_000_000, -3_600_000_000_000] {
            let mut health = Health::default();
            for shift in [0, 40, step, step + 10] {
                health.sample(Tick(1), &sample(0, 0, shift), Tick(0), false);
            }
            assert_eq!(health.wall_step_max_ns, (step - 40).unsigned_abs());
        }
    }

    #[test]
    fn stalls_are_counted_once() {
        let mut health = Health::default();
        health.stalled(70);
        health.stalled(30);
        let sample = Sample { log_stall_ns: 100, ..Sample::default() };
        health.sample(Tick(5), &sample, Tick(0), false);
        assert_eq!(health.log_stall_ns(), 100);
    }
}
