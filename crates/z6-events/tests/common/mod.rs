//! Logs to test with: a small one in which everything occurs, and a reader that keeps everything.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

use z6_events::{
    Actor, ArrivalStamp, BlockBuilder, ByteRange, Cause, CloseCause, ConnectionSlot, Driver,
    Ending, ErrorKind, Event, ExchangeSlot, Failure, FooterFacts, Irregularities, Irregularity,
    LogAssembler, LogDigest, LogError, LogHeader, LogReader, LoggedValue, Model, NeverSentReason,
    NextHop, Partition, PlannedRequest, Population, ReleaseCause, RequestId, Response, Sample,
    Step, StopReason, StoppedBy, TargetAddresses, TargetId, Tick, VariableId, WorkerId,
};

pub const MS: u64 = 1_000_000;

/// A log in memory, and where its parts begin.
pub struct Log {
    pub bytes: Vec<u8>,
    /// Offsets of the blocks, the footer's among them.
    pub blocks: Vec<usize>,
    pub digest: LogDigest,
}

pub fn header() -> LogHeader {
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    LogHeader {
        seed: 42,
        workers: 2,
        driver: Driver::Reactor,
        model: Some(Model::Closed),
        wall_epoch_ns: 1_795_000_000_123_456_789,
        monotonic_epoch_ns: 987_654_321,
        plan_digest: [0xAB; 32],
        engine_version: "0.1.0".to_owned(),
        overrides: vec![pair("vus", "2"), pair("duration", "1")],
        limits: vec![("max_in_flight".to_owned(), 10_000)],
        addresses: vec![TargetAddresses {
            target: TargetId(0),
            addresses: vec!["127.0.0.1:8080".to_owned(), "[::1]:8080".to_owned()],
        }],
        host: vec![pair("cpus", "2")],
        build: vec![pair("profile", "release")],
        clock: vec![("clock_max_error_ns".to_owned(), 500_000)],
        scenario_text: "[metadata]\nname = \"golden ☂\"\n".to_owned(),
        ..LogHeader::default()
    }
}

pub fn planned_request(actor: u64, step: u64, request: u16, planned: u64) -> PlannedRequest {
    PlannedRequest {
        population: Population(0),
        actor: Actor(actor),
        step: Step(step),
        request: RequestId(request),
        target: TargetId(0),
        planned: Tick(planned),
    }
}

pub fn sent(slot: u32, request: PlannedRequest, bytes: u64) -> Event {
    Event::Sent {
        exchange: ExchangeSlot(slot),
        written_bytes: bytes,
        request,
        attempt: 0,
        connection: ConnectionSlot(slot),
        request_bytes: bytes,
        length_is_input: false,
    }
}

pub fn done(slot: u32, first_byte: u64, status: u16, received_bytes: u64) -> Event {
    Event::Done {
        exchange: ExchangeSlot(slot),
        response: Response {
            first_byte: Tick(first_byte),
            status,
            received_bytes,
            unsent_bytes: 0,
            reusable: true,
            unsolicited: false,
            irregularities: Irregularities::NONE,
            arrival: z6_events::ArrivalStamp::NONE,
        },
        failure: None,
    }
}

fn connect(slot: u32) -> Event {
    Event::ConnectStarted { connection: ConnectionSlot(slot), target: TargetId(0), address: 1 }
}

fn release(slot: u32, cause: ReleaseCause) -> Event {
    Event::ConnectionReleased { connection: ConnectionSlot(slot), cause }
}

/// Worker 0: two blocks of events that fit together.
fn worker_0() -> [Vec<(u64, Event)>; 2] {
    let connected = |slot, started| Event::Connected {
        connection: ConnectionSlot(slot),
        started: Tick(started),
    };
    let end_reached = Event::EndReached { by: StoppedBy::Interrupt, end: Tick(1000 * MS) };
    [
        vec![
            (0, Event::Wake),
            (0, Event::VuStarted { population: Population(0), actor: Actor(0), planned: Tick(0) }),
            (0, connect(0)),
            (0, Event::VuStarted { population: Population(0), actor: Actor(2), planned: Tick(0) }),
            (0, connect(1)),
            (MS, connected(0, 100)),
            (MS + 500, sent(0, planned_request(0, 0, 0, 0), 78)),
            (MS + 700, connected(1, 200)),
            (MS + 900, sent(1, planned_request(2, 0, 1, 0), 512)),
            (2 * MS, done(0, 2 * MS - 300, 200, 120)),
            (2 * MS + 400, sent(0, planned_request(0, 1, 0, 2 * MS), 78)),
            (3 * MS, done(1, 3 * MS, 200, 4096)),
            (3 * MS, release(1, ReleaseCause::NotReusable)),
            (3 * MS, connect(1)),
            (4 * MS, done(0, 4 * MS, 200, 120)),
            (4 * MS + 250, sent(0, planned_request(0, 2, 0, 4 * MS), 78)),
            (1000 * MS, Event::Sample(Sample { thread_cpu_ns: 5 * MS, ..Sample::default() })),
        ],
        vec![
            (1000 * MS + 1, done(0, 999 * MS, 503, 4_000_000)),
            (1000 * MS + 2, connected(1, 3 * MS)),
            (1000 * MS + 3, sent(1, planned_request(2, 1, 0, 3 * MS), 78)),
            (1000 * MS + 4, Event::Stop { reason: StopReason::Interrupt }),
            (1000 * MS + 4, end_reached),
            (1500 * MS, Event::InFlightAtStop { exchange: ExchangeSlot(1) }),
            (1500 * MS, release(1, ReleaseCause::RunEnded)),
            (1500 * MS, Event::VuStopped { population: Population(0), actor: Actor(0) }),
            (1500 * MS, Event::Finished),
        ],
    ]
}

/// Worker 1: one block with everything that goes wrong, every field away from its prediction.
fn worker_1() -> Vec<(u64, Event)> {
    let (c, x, actor) = (ConnectionSlot(9), ExchangeSlot(300), Actor(5));
    let error = ErrorKind::ConnectionRefused;
    let odd = PlannedRequest {
        population: Population(3),
        target: TargetId(7),
        ..planned_request((1 << 40) + 1, 12, 1023, 5)
    };
    let sent_oddly = Event::Sent {
        exchange: x,
        written_bytes: 100,
        request: odd,
        attempt: 2,
        connection: c,
        request_bytes: 9000,
        length_is_input: false,
    };
    let done_oddly = Event::Done {
        exchange: x,
        response: Response {
            first_byte: Tick(31 * MS),
            status: 404,
            received_bytes: 1 << 33,
            unsent_bytes: 8900,
            reusable: false,
            unsolicited: true,
            irregularities: Irregularities::ALL,
            arrival: z6_events::ArrivalStamp::NONE,
        },
        failure: Some(ErrorKind::Status4xx),
    };
    let failed = Event::Failed {
        exchange: x,
        failure: Failure {
            error: ErrorKind::IncompleteBody,
            detail: 77,
            first_byte: Some(Tick(49 * MS)),
            received_bytes: 66,
            unsent_bytes: 5,
            reusable: true,
            irregularities: Irregularity::BareLineFeed.into(),
            arrival: z6_events::ArrivalStamp::NONE,
        },
    };
    let redirected = Event::Redirected {
        exchange: x,
        response: Response {
            first_byte: Tick(60 * MS),
            status: 308,
            received_bytes: 5_000,
            unsent_bytes: 2,
            reusable: false,
            unsolicited: true,
            irregularities: Irregularity::ObsFold.into(),
            arrival: z6_events::ArrivalStamp::NONE,
        },
        next: NextHop { target: TargetId(300), request_bytes: 9_000 },
    };
    let closed = Event::ConnectionClosed { connection: c, cause: CloseCause::ResetByPeer };
    vec![
        (10 * MS, connect(9)),
        (
            11 * MS,
            Event::ConnectFailed {
                connection: c,
                started: Tick(10 * MS + 9),
                cause: Cause { error, detail: 111 },
            },
        ),
        (11 * MS, Event::NotOnWire { request: odd, cause: Cause { error, detail: 111 } }),
        (12 * MS, connect(9)),
        (20 * MS, Event::ConnectTimedOut { connection: c }),
        (20 * MS, connect(9)),
        (20 * MS + 500_000, Event::TcpReady { connection: c }),
        (21 * MS, Event::Connected { connection: c, started: Tick(20 * MS) }),
        (30 * MS, sent_oddly),
        (32 * MS, value(0, LoggedValue::Clear(ByteRange::new(1, 7)))),
        (32 * MS, value(1, LoggedValue::Clear(ByteRange::new(9, 6)))),
        (32 * MS, value(2, LoggedValue::Clear(ByteRange::new(16, 36)))),
        (32 * MS, value(700, LoggedValue::Clear(ByteRange::new(53, 8)))),
        (32 * MS, value(2, LoggedValue::Clear(ByteRange::new(16, 36)))),
        (32 * MS, value(2, LoggedValue::Digest { digest: [0x5A; 16], length: 1_700 })),
        (32 * MS, value(3, LoggedValue::Missing)),
        (32 * MS, value(3, LoggedValue::Withheld)),
        (32 * MS, Event::ChecksFailed { exchange: x, failed: 1 << 63 | 0b101 }),
        (32 * MS, done_oddly),
        (40 * MS, sent_oddly),
        (50 * MS, failed),
        (51 * MS, withheld(sent(300, PlannedRequest { request: RequestId(0), ..odd }, 1)))
            .with_connection(c),
        (60 * MS, Event::TimedOut { exchange: x }),
        (60 * MS, sent(300, PlannedRequest { request: RequestId(0), ..odd }, 7)).with_connection(c),
        (60 * MS + 1, redirected),
        (60 * MS + 2, sent_oddly),
        (
            60 * MS + 3,
            Event::Redirected {
                exchange: x,
                response: Response {
                    first_byte: Tick(60 * MS + 3),
                    status: 301,
                    received_bytes: 0,
                    unsent_bytes: 0,
                    reusable: true,
                    unsolicited: false,
                    irregularities: Irregularities::NONE,
                    arrival: z6_events::ArrivalStamp::NONE,
                },
                next: NextHop { target: TargetId(0), request_bytes: 0 },
            },
        ),
        (60 * MS + 4, Event::RedirectFailed { exchange: x, cause: Cause { error, detail: 111 } }),
        (61 * MS, closed),
        (70 * MS, Event::NeverSent { request: odd, reason: NeverSentReason::MaxInFlight }),
        (71 * MS, Event::VuStarted { population: Population(3), actor, planned: Tick(71 * MS) }),
        (71 * MS, Event::VuStarted { population: Population(4), actor, planned: Tick(0) }),
        (72 * MS, Event::VuStopped { population: Population(0), actor }),
        (80 * MS, Event::LogStalled { waited_ns: 12_345 }),
    ]
}

/// What the values of [`worker_1`] name.
const ARENA: &[u8] = b" a/token 471112 00112233-4455-6677-8899-aabbccddeeff 00c0ffee";

/// A value of an exchange of [`worker_1`].
fn value(variable: u16, value: LoggedValue) -> Event {
    Event::Value { exchange: ExchangeSlot(300), variable: VariableId(variable), value, count: None }
}

/// A `sent` whose length the engine could not derive.
fn withheld(mut event: Event) -> Event {
    if let Event::Sent { length_is_input, .. } = &mut event {
        *length_is_input = true;
    }
    event
}

trait WithConnection {
    fn with_connection(self, connection: ConnectionSlot) -> Self;
}

impl WithConnection for (u64, Event) {
    fn with_connection(self, new: ConnectionSlot) -> Self {
        let (at, mut event) = self;
        if let Event::Sent { connection, .. } = &mut event {
            *connection = new;
        }
        (at, event)
    }
}

pub fn facts() -> FooterFacts {
    FooterFacts {
        stopped_by: StoppedBy::Interrupt,
        end: Tick(1000 * MS),
        totals: vec![("log_stalls".to_owned(), 1)],
    }
}

/// The log of which `tests/golden/v2.z6log` is a copy. `receipt` goes into its footer.
pub fn golden_log(receipt: u64) -> Log {
    let (mut assembler, mut bytes) = LogAssembler::new(&header()).unwrap();
    bytes.extend(assembler.attachment("payload.json", b"{\"a\": 1}", true).unwrap());
    bytes.extend(assembler.attachment("empty.bin", b"", true).unwrap());
    bytes.extend(assembler.attachment("huge.bin", &[7; 1000], false).unwrap());
    let mut builders = [0, 1].map(|worker| {
        BlockBuilder::new(Partition::unsharded(WorkerId(worker), header().workers), Vec::new())
    });
    let [first, second] = worker_0();
    for (worker, events) in [(0, first), (1, worker_1()), (0, second)] {
        for (at, event) in &events {
            builders[worker].push_with(Tick(*at), event, ARENA).unwrap();
        }
        bytes.extend_from_slice(assembler.seal(&mut builders[worker].close(Vec::new())));
    }
    let mut idle = builders[1].close_empty(Tick(1080 * MS), Vec::new());
    bytes.extend_from_slice(assembler.seal(&mut idle));
    let mut facts = facts();
    facts.totals[0].1 = receipt;
    let (footer, digest) = assembler.footer(&facts).unwrap();
    bytes.extend(footer);
    let blocks = block_offsets(&bytes);
    Log { bytes, blocks, digest }
}

/// A linear congruential generator: any spread will do in a test.
pub struct Spread(pub u64);

impl Spread {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % bound
    }
}

/// One worker of a busy run: 40 connections, VUs that move between slots, five templates.
struct Busy {
    worker: u64,
    now: u64,
    sent_in: Vec<bool>,
    ended_at: Vec<u64>,
    spread: Spread,
}

impl Busy {
    fn next(&mut self) -> (u64, Event) {
        self.now += self.spread.below(3) * self.spread.below(40_000);
        let slot = self.spread.below(self.sent_in.len() as u64) as usize;
        let was_sent = self.sent_in[slot];
        self.sent_in[slot] = !was_sent;
        let event = if was_sent { self.end(slot as u32) } else { self.send(slot as u32) };
        if was_sent {
            self.ended_at[slot] = self.now;
        }
        (self.now, event)
    }

    fn send(&mut self, slot: u32) -> Event {
        let spread = &mut self.spread;
        let owner = if spread.below(3) > 0 { u64::from(slot) } else { spread.below(1000) };
        let request = if spread.below(2) > 0 { 0 } else { spread.below(5) };
        let ended_at = self.ended_at[slot as usize];
        let planned = [ended_at, self.now, self.now.saturating_sub(spread.below(1 << 22))];
        let planned = planned[spread.below(3) as usize];
        let bytes = 70 + 10 * request + spread.below(20) / 19;
        let request =
            planned_request(owner * 2 + self.worker, spread.below(3), request as u16, planned);
        let request =
            PlannedRequest { target: TargetId(u16::from(spread.below(4) == 0)), ..request };
        let Event::Sent { exchange, written_bytes, request, connection, request_bytes, .. } =
            sent(slot, request, bytes)
        else {
            panic!("sent")
        };
        let attempt = (spread.below(9) / 8) as u8;
        Event::Sent {
            exchange,
            written_bytes,
            request,
            attempt,
            connection,
            request_bytes,
            length_is_input: false,
        }
    }

    fn end(&mut self, slot: u32) -> Event {
        let exchange = ExchangeSlot(slot);
        let first_byte = Some(Tick(self.now - self.spread.below(2) * 700));
        match self.spread.below(10) {
            0 => Event::TimedOut { exchange },
            1 => Event::Failed {
                exchange,
                failure: Failure {
                    error: ErrorKind::BadChunk,
                    detail: 1000,
                    first_byte,
                    received_bytes: self.spread.below(2) * 1234,
                    unsent_bytes: self.spread.below(2),
                    reusable: false,
                    irregularities: Irregularities::NONE,
                    arrival: z6_events::ArrivalStamp::NONE,
                },
            },
            _ => {
                let first_byte = first_byte.map_or(0, |tick| tick.0);
                let status = 200 + self.spread.below(8) / 7 * 300;
                done(slot, first_byte, status as u16, 500 * (1 + self.spread.below(3)))
            }
        }
    }
}

/// Sets when the response of an event had arrived, if it has one.
pub fn stamp(event: &mut Event, stamp: ArrivalStamp) {
    match event {
        Event::Done { response: Response { arrival, .. }, .. }
        | Event::Redirected { response: Response { arrival, .. }, .. }
        | Event::Failed { failure: Failure { arrival, .. }, .. }
        | Event::Resent { failure: Failure { arrival, .. }, .. } => *arrival = stamp,
        _ => {}
    }
}

/// A log of this many events, for comparing readers of the prediction rules.
pub fn busy_log(events: usize, has_stamps: bool) -> Vec<u8> {
    let header = LogHeader { arrival_stamps: has_stamps, ..header() };
    let (mut assembler, mut bytes) = LogAssembler::new(&header).unwrap();
    let mut workers = [0, 1].map(|worker| Busy {
        worker,
        now: 1_000_000_000,
        sent_in: vec![false; 40],
        ended_at: vec![0; 40],
        spread: Spread(worker),
    });
    let mut builders = [0, 1].map(|worker| {
        let partition = Partition::unsharded(WorkerId(worker), header.workers);
        BlockBuilder::new(partition, Vec::new()).with_arrival_stamps(has_stamps)
    });
    let mut stamps = Spread(7);
    for builder in &mut builders {
        for slot in 0..40 {
            let (connection, at) = (ConnectionSlot(slot), Tick(u64::from(slot)));
            builder.push(at, &connect(slot)).unwrap();
            builder.push(at, &Event::Connected { connection, started: at }).unwrap();
        }
    }
    for index in 0..events {
        let (at, mut event) = workers[index % 2].next();
        if has_stamps {
            stamp(&mut event, ArrivalStamp::from_code(stamps.below(5_001) as u32));
        }
        let builder = &mut builders[index % 2];
        builder.push(Tick(at), &event).unwrap();
        if builder.event_count() > 700 || index + 2 >= events {
            bytes.extend_from_slice(assembler.seal(&mut builder.close(Vec::new())));
        }
    }
    bytes.extend(assembler.footer(&facts()).unwrap().0);
    bytes
}

/// Where the blocks begin, by their own headers.
pub fn block_offsets(log: &[u8]) -> Vec<usize> {
    let body = u32::from_le_bytes(log[12..16].try_into().unwrap()) as usize;
    let (mut at, mut offsets) = (16 + body + 4, Vec::new());
    while let Some(header) = z6_events::BlockHeader::decode(&log[at..]) {
        offsets.push(at);
        at += 80 + header.payload_bytes as usize;
    }
    offsets
}

/// All that could be read, and how it ended.
pub struct Read {
    pub events: Vec<(WorkerId, Tick, Event)>,
    pub attached: Vec<(String, Vec<u8>)>,
    pub end: Result<Ending, LogError>,
}

pub fn read(bytes: &[u8]) -> Read {
    let mut all = Read { events: Vec::new(), attached: Vec::new(), end: Err(LogError::NotALog) };
    all.end = read_into(bytes, &mut all.events, &mut all.attached);
    all
}

fn read_into(
    bytes: &[u8],
    events: &mut Vec<(WorkerId, Tick, Event)>,
    attached: &mut Vec<(String, Vec<u8>)>,
) -> Result<Ending, LogError> {
    let mut reader = LogReader::with_attachments(bytes, &mut |of, piece| {
        attached.push((of.name.clone(), piece.to_vec()));
    })?;
    while let Some(mut block) = reader.next_block()? {
        let (worker, number) = (block.header().worker, block.header().number);
        for event in block.events() {
            let (at, event) = event.map_err(|source| LogError::Decode { number, source })?;
            events.push((worker, at, event));
        }
    }
    Ok(reader.ending().expect("an end").clone())
}
