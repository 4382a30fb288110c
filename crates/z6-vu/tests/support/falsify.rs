//! Logs taken apart, changed, and put together again with every checksum right.

use z6_events::{
    BlockBuilder, Cause, CloseCause, ErrorKind, Event, Failure, Irregularities, LogAssembler,
    LogHeader, LogReader, NeverSentReason, Partition, Protocol, ReleaseCause, Response, StopReason,
    StoppedBy, Tick, TlsNegotiated, WorkerId,
};
use z6_vu::run_end::RunEnd;

/// A log, taken apart.
#[derive(Clone)]
pub(crate) struct Apart {
    pub(crate) header: LogHeader,
    pub(crate) blocks: Vec<Block>,
}

#[derive(Clone)]
pub(crate) struct Block {
    pub(crate) worker: WorkerId,
    pub(crate) base: Tick,
    pub(crate) events: Vec<(Tick, Event)>,
}

impl Apart {
    pub(crate) fn of(log: &[u8]) -> Apart {
        let mut reader = LogReader::new(log).unwrap();
        let header = reader.header().clone();
        let mut blocks = Vec::new();
        while let Some(mut block) = reader.next_block().unwrap() {
            let (worker, base) = (block.header().worker, block.header().base);
            let events = block.events().map(Result::unwrap).collect();
            blocks.push(Block { worker, base, events });
        }
        Apart { header, blocks }
    }

    /// Whole again: numbers, chain, checksums, footer and receipt fit what is inside.
    pub(crate) fn sealed(&self) -> Vec<u8> {
        let (mut assembler, mut out) = LogAssembler::new(&self.header).unwrap();
        let mut end = RunEnd::default();
        for block in &self.blocks {
            // A falsified header may deny the worker.
            let LogHeader { shard, shards, workers, .. } = self.header;
            let (worker, shards) = (block.worker, shards.max(shard + 1));
            let partition = Partition::new(shard, shards, worker, workers.max(worker.0 + 1));
            let mut builder = BlockBuilder::new(partition, Vec::new());
            for (at, event) in &block.events {
                end.observe(event);
                if builder.push(*at, event).is_err() {
                    out.extend_from_slice(assembler.seal(&mut builder.close(Vec::new())));
                    builder.push(*at, event).unwrap();
                }
            }
            let mut sealed = if builder.is_empty() {
                builder.close_empty(block.base, Vec::new())
            } else {
                builder.close(Vec::new())
            };
            out.extend_from_slice(assembler.seal(&mut sealed));
        }
        out.extend_from_slice(&assembler.footer(&end.footer()).unwrap().0);
        out
    }

    /// Places of all events: block and position in it.
    pub(crate) fn places(&self) -> Vec<(usize, usize)> {
        let of = |(i, block): (usize, &Block)| (0..block.events.len()).map(move |j| (i, j));
        self.blocks.iter().enumerate().flat_map(of).collect()
    }
}

/// Numbers for choosing.
#[derive(Clone)]
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mixed = (self.0 ^ (self.0 >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
        mixed ^ (mixed >> 29)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Another number: next to it, at an end, or anywhere.
    pub(crate) fn other(&mut self, value: u64) -> u64 {
        match self.below(8) {
            0 => value.wrapping_add(1),
            1 => value.wrapping_sub(1),
            2 => 0,
            3 => u64::MAX,
            4 => value ^ (1 << self.below(20)),
            5 => value.wrapping_add(1_000_000),
            6 => self.next() % 16,
            _ => self.next(),
        }
    }

    fn code<T>(&mut self, from: fn(u8) -> Option<T>) -> T {
        loop {
            if let Some(value) = from(self.below(128) as u8) {
                return value;
            }
        }
    }
}

fn u32_of(draw: &mut Draw, value: &mut u32) {
    *value = draw.other(u64::from(*value)) as u32;
}

fn u16_of(draw: &mut Draw, value: &mut u16) {
    *value = draw.other(u64::from(*value)) as u16;
}

fn u64_of(draw: &mut Draw, value: &mut u64) {
    *value = draw.other(*value);
}

/// Changes one field of an event. Answers whether the field is a decision.
pub(crate) fn falsify(event: &mut Event, draw: &mut Draw) -> bool {
    match event {
        Event::Wake | Event::Finished => {}
        Event::Connected { connection, started } => match draw.below(2) {
            0 => u32_of(draw, &mut connection.0),
            _ => u64_of(draw, &mut started.0),
        },
        Event::ConnectedAs { connection, started, negotiated } => match draw.below(4) {
            0 => u32_of(draw, &mut connection.0),
            1 => u64_of(draw, &mut started.0),
            2 => negotiated.protocol = draw.code(Protocol::from_code),
            _ => {
                let tls =
                    negotiated.tls.unwrap_or(TlsNegotiated { version: 0x0304, cipher: 0x1301 });
                negotiated.tls = Some(TlsNegotiated { version: tls.version ^ 1, ..tls });
            }
        },
        Event::StreamsAllowed { connection, allowed } => match draw.below(2) {
            0 => u32_of(draw, &mut connection.0),
            _ => u32_of(draw, allowed),
        },
        Event::GoingAway { connection, code, accepted } => match draw.below(3) {
            0 => u32_of(draw, &mut connection.0),
            1 => u64_of(draw, code),
            _ => u64_of(draw, accepted),
        },
        Event::Resent { exchange, failure, .. } => match draw.below(3) {
            0 => u32_of(draw, &mut exchange.0),
            1 => u64_of(draw, &mut failure.received_bytes),
            _ => failure.reusable ^= true,
        },
        Event::Http2Sample(sample) => u64_of(draw, &mut sample.frames_in),
        Event::TcpReady { connection } => u32_of(draw, &mut connection.0),
        Event::ConnectFailed { connection, started, cause: Cause { error, detail } } => {
            match draw.below(4) {
                0 => u32_of(draw, &mut connection.0),
                1 => u64_of(draw, &mut started.0),
                2 => *error = draw.code(ErrorKind::from_code),
                _ => u64_of(draw, detail),
            }
        }
        Event::Sent {
            exchange,
            written_bytes,
            request,
            attempt,
            connection,
            request_bytes,
            length_is_input,
        } => {
            let field = draw.below(12);
            match field {
                0 => u32_of(draw, &mut exchange.0),
                1 => u64_of(draw, written_bytes),
                2 => request.population.0 = draw.next() as u8,
                3 => u64_of(draw, &mut request.actor.0),
                4 => u64_of(draw, &mut request.step.0),
                5 => u16_of(draw, &mut request.request.0),
                6 => u16_of(draw, &mut request.target.0),
                7 => u64_of(draw, &mut request.planned.0),
                8 => *attempt = draw.next() as u8,
                9 => u32_of(draw, &mut connection.0),
                10 => *length_is_input ^= true,
                _ => u64_of(draw, request_bytes),
            }
            return field > 1;
        }
        Event::Done {
            exchange,
            response:
                Response {
                    first_byte,
                    status,
                    received_bytes,
                    unsent_bytes,
                    reusable,
                    unsolicited,
                    irregularities,
                    arrival: z6_events::ArrivalStamp::NONE,
                },
            failure,
        } => match draw.below(9) {
            0 => u32_of(draw, &mut exchange.0),
            1 => u64_of(draw, &mut first_byte.0),
            2 => u16_of(draw, status),
            3 => u64_of(draw, received_bytes),
            4 => u64_of(draw, unsent_bytes),
            5 => *reusable ^= true,
            6 => *unsolicited ^= true,
            7 => *irregularities = other_irregularities(draw, *irregularities),
            _ => {
                *failure = match failure {
                    Some(_) => None,
                    None => Some(draw.code(ErrorKind::from_code)),
                };
                return true;
            }
        },
        Event::Failed {
            exchange,
            failure:
                Failure {
                    error,
                    detail,
                    first_byte,
                    received_bytes,
                    unsent_bytes,
                    reusable,
                    irregularities,
                    arrival: z6_events::ArrivalStamp::NONE,
                },
        } => match draw.below(8) {
            0 => u32_of(draw, &mut exchange.0),
            6 => *irregularities = other_irregularities(draw, *irregularities),
            1 => *error = draw.code(ErrorKind::from_code),
            2 => u64_of(draw, detail),
            3 => *first_byte = first_byte.xor(Some(Tick(draw.next()))),
            4 => u64_of(draw, received_bytes),
            5 => u64_of(draw, unsent_bytes),
            _ => *reusable ^= true,
        },
        Event::ConnectionClosed { connection, cause } => match draw.below(2) {
            0 => u32_of(draw, &mut connection.0),
            _ => *cause = draw.code(CloseCause::from_code),
        },
        Event::Stop { reason } => *reason = draw.code(StopReason::from_code),
        Event::Sample(sample) => u64_of(draw, &mut sample.thread_cpu_ns),
        Event::LogStalled { waited_ns } => u64_of(draw, waited_ns),
        decision => {
            falsify_decision(decision, draw);
            return true;
        }
    }
    false
}

fn other_irregularities(draw: &mut Draw, before: Irregularities) -> Irregularities {
    let change = 1 + draw.below(usize::from(Irregularities::ALL.mask())) as u64;
    let changed = Irregularities::from_mask(u64::from(before.mask()) ^ change);
    changed.unwrap_or(Irregularities::ALL)
}

fn falsify_decision(event: &mut Event, draw: &mut Draw) {
    match event {
        Event::VuStarted { population, actor, planned } => match draw.below(3) {
            0 => population.0 = population.0.wrapping_add(1 + draw.below(255) as u8),
            1 => u64_of(draw, &mut actor.0),
            _ => u64_of(draw, &mut planned.0),
        },
        Event::VuStopped { population, actor } => match draw.below(2) {
            0 => population.0 = population.0.wrapping_add(1 + draw.below(255) as u8),
            _ => u64_of(draw, &mut actor.0),
        },
        Event::ConnectStarted { connection, target, address } => match draw.below(3) {
            0 => u32_of(draw, &mut connection.0),
            1 => u16_of(draw, &mut target.0),
            _ => u16_of(draw, address),
        },
        Event::ConnectionReleased { connection, cause } => match draw.below(2) {
            0 => u32_of(draw, &mut connection.0),
            _ => *cause = draw.code(ReleaseCause::from_code),
        },
        Event::ConnectTimedOut { connection } => u32_of(draw, &mut connection.0),
        Event::NotOnWire { request, cause: Cause { error, detail } } => match draw.below(4) {
            0 => u64_of(draw, &mut request.actor.0),
            1 => u64_of(draw, &mut request.planned.0),
            2 => *error = draw.code(ErrorKind::from_code),
            _ => u64_of(draw, detail),
        },
        Event::NeverSent { request, reason } => match draw.below(3) {
            0 => u64_of(draw, &mut request.step.0),
            1 => u64_of(draw, &mut request.planned.0),
            _ => *reason = draw.code(NeverSentReason::from_code),
        },
        Event::TimedOut { exchange } | Event::InFlightAtStop { exchange } => {
            u32_of(draw, &mut exchange.0);
        }
        Event::EndReached { by, end } => match draw.below(2) {
            0 => *by = draw.code(StoppedBy::from_code),
            _ => u64_of(draw, &mut end.0),
        },
        other => panic!("not a decision: {other:?}"),
    }
}
