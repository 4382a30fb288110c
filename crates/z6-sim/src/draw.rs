//! Every draw of the simulated world. Each is keyed by what it is about, so that what happens to one
//! connection or request does not depend on the order in which others are served.

use std::num::NonZeroU64;

use z6_scenario::random::{Domain, Generator, Label};
use z6_scenario::simulation::{Delay, MAX_DELAY_NS, Share};

/// Outcomes of connection attempts; the actor is the connection's number.
const ATTEMPT: Label = Label::named(b"sim dial");
/// Times on the wire; the step is 0 for requests, 1 for responses.
const WIRE: Label = Label::named(b"sim wire");
/// What the client's socket does with reads (0) and writes (1).
const SOCKET: Label = Label::named(b"sim sock");
/// What the server does with a request; the step is the request's number on the connection.
const REQUEST: Label = Label::named(b"sim requ");
/// What the server does when a stream of HTTP/2 begins; the step is the number of the stream.
const STREAM: Label = Label::named(b"sim strm");
/// What the server says about a connection over HTTP/2 beside its streams; the step is 0 when the connection begins,
/// and the number of the stream and one when that begins.
const CONTROL: Label = Label::named(b"sim ctrl");
/// Faults of the whole world; the actor is a purpose, the step a tenth of a second or a block.
const WORLD: Label = Label::named(b"sim wrld");

/// Faults that affect more than one connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    ServerStall = 0,
    LateTimer = 1,
    DuplicateStamp = 2,
    LogBlock = 3,
}

/// All generators of one seed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draws {
    attempt: Domain,
    wire: Domain,
    socket: Domain,
    request: Domain,
    stream: Domain,
    control: Domain,
    world: Domain,
}

impl Draws {
    pub(crate) fn new(seed: u64) -> Draws {
        Draws {
            attempt: Domain::new(seed, ATTEMPT),
            wire: Domain::new(seed, WIRE),
            socket: Domain::new(seed, SOCKET),
            request: Domain::new(seed, REQUEST),
            stream: Domain::new(seed, STREAM),
            control: Domain::new(seed, CONTROL),
            world: Domain::new(seed, WORLD),
        }
    }

    pub(crate) fn attempt(&self, connection: u64) -> Generator {
        self.attempt.generator(connection, 0)
    }

    pub(crate) fn up(&self, connection: u64) -> Generator {
        self.wire.generator(connection, 0)
    }

    pub(crate) fn down(&self, connection: u64) -> Generator {
        self.wire.generator(connection, 1)
    }

    pub(crate) fn socket(&self, connection: u64) -> Generator {
        self.socket.generator(connection, 0)
    }

    pub(crate) fn request(&self, connection: u64, number: u64) -> Generator {
        self.request.generator(connection, number)
    }

    pub(crate) fn stream(&self, connection: u64, number: u64) -> Generator {
        self.stream.generator(connection, number)
    }

    pub(crate) fn control(&self, connection: u64, step: u64) -> Generator {
        self.control.generator(connection, step)
    }

    pub(crate) fn world(&self, purpose: Purpose, worker: u16, step: u64) -> Generator {
        self.world.generator((purpose as u64) << 16 | u64::from(worker), step)
    }
}

/// Whether it happens; draws only if both are possible.
pub(crate) fn hits(share: Share, generator: &mut Generator) -> bool {
    match share {
        Share::ZERO => false,
        Share::ONE => true,
        share => generator.below(MILLION) < u64::from(share.millionths()),
    }
}

const MILLION: NonZeroU64 = match NonZeroU64::new(1_000_000) {
    Some(million) => million,
    None => NonZeroU64::MIN,
};

/// A time from a distribution, nanoseconds; at most [`MAX_DELAY_NS`].
pub(crate) fn sample_ns(delay: Delay, generator: &mut Generator) -> u64 {
    let ns = match delay {
        Delay::Constant { ns } => ns,
        Delay::Uniform { low_ns, high_ns } => generator.uniform(low_ns, high_ns),
        Delay::Exponential { mean_ns } => generator.exponential_ns(mean_ns, MAX_DELAY_NS),
        Delay::LogNormal { median_ns, sigma_millionths } => {
            let sigma = sigma_millionths as f64 / 1e6;
            (median_ns as f64 * libm::exp(sigma * normal(generator))) as u64
        }
        Delay::Bimodal { usual_ns, tail_ns, tail } => {
            if hits(tail, generator) {
                tail_ns
            } else {
                usual_ns
            }
        }
    };
    ns.min(MAX_DELAY_NS)
}

/// A standard normal variable (Box and Muller, 1958), by the same functions on every machine.
fn normal(generator: &mut Generator) -> f64 {
    let unit = |word: u64| ((word >> 11) + 1) as f64 * (1.0 / (1u64 << 53) as f64);
    let radius = libm::sqrt(-2.0 * libm::log(unit(generator.next_u64())));
    radius * libm::cos(std::f64::consts::TAU * unit(generator.next_u64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_ns(delay: Delay) -> f64 {
        let mut generator = Draws::new(1).attempt(0);
        let count = 200_000;
        (0..count).map(|_| sample_ns(delay, &mut generator) as f64).sum::<f64>() / f64::from(count)
    }

    #[test]
    fn means_are_those_of_the_distributions() {
        let near = |delay, expected: f64| {
            let mean = mean_ns(delay);
            assert!((mean / expected - 1.0).abs() < 0.01, "{delay:?}: {mean} for {expected}");
        };
        near(Delay::Constant { ns: 5 }, 5.0);
        near(Delay::Uniform { low_ns: 100, high_ns: 300 }, 200.0);
        near(Delay::Exponential { mean_ns: 1_000_000 }, 1e6);
        // median * exp(sigma^2 / 2)
        near(Delay::LogNormal { median_ns: 1_000_000, sigma_millionths: 500_000 }, 1.1331e6);
        let tail = Share::from_millionths(100_000).unwrap();
        near(Delay::Bimodal { usual_ns: 1_000, tail_ns: 11_000, tail }, 2_000.0);
    }

    #[test]
    fn what_never_or_always_happens_is_not_drawn() {
        let mut generator = Draws::new(1).attempt(0);
        let untouched = generator.clone().next_u64();
        assert!(!hits(Share::ZERO, &mut generator));
        assert!(hits(Share::ONE, &mut generator));
        assert_eq!(generator.next_u64(), untouched);
    }
}
