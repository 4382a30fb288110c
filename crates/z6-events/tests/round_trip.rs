//! Every event, with any values, survives the encoding exactly; blocks are bounded and small.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

use proptest::prelude::*;
use z6_events::limits::{MAX_EVENT_BYTES, MAX_PAYLOAD_BYTES};
use z6_events::{
    Actor, ArrivalStamp, BlockBuilder, BlockDecoder, Cause, CloseCause, ConnectedAs,
    ConnectionSlot, DecodeError, ErrorKind, Event, ExchangeSlot, Failure, Http2Sample,
    Irregularities, NeverSentReason, NextHop, Partition, PlannedRequest, Population, Protocol,
    ReleaseCause, RequestId, ResendCause, Response, Sample, SealedBlock, Step, StopReason,
    StoppedBy, TargetId, Tick, TlsNegotiated, WorkerId,
};

/// Numbers near those before, and numbers anywhere.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0u64..4, 2 => 0u64..100_000, 1 => any::<u64>(), 1 => Just(u64::MAX)]
}

fn slot() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0u32..4, 1 => 0u32..300_000, 1 => any::<u32>()]
}

fn one_of<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    (0..all.len()).prop_map(|index| all[index])
}

fn request() -> impl Strategy<Value = PlannedRequest> {
    let small = || prop_oneof![4 => 0u16..3, 1 => any::<u16>()];
    (prop_oneof![4 => Just(0u8), 1 => any::<u8>()], number(), number(), small(), small(), number())
        .prop_map(|(population, actor, step, request, target, planned)| PlannedRequest {
            population: Population(population),
            actor: Actor(actor),
            step: Step(step),
            request: RequestId(request),
            target: TargetId(target),
            planned: Tick(planned),
        })
}

fn sent() -> impl Strategy<Value = Event> {
    let attempt = prop_oneof![4 => Just(0u8), 1 => any::<u8>()];
    let flags = (any::<bool>(), any::<bool>());
    (slot(), number(), request(), attempt, slot(), number(), flags).prop_map(
        |(exchange, written, request, attempt, connection, request_bytes, (whole, is_input))| {
            Event::Sent {
                exchange: ExchangeSlot(exchange),
                written_bytes: if whole { request_bytes } else { written },
                request,
                attempt,
                connection: ConnectionSlot(connection),
                request_bytes,
                length_is_input: is_input,
            }
        },
    )
}

fn irregularities() -> impl Strategy<Value = Irregularities> {
    let any = 0..=u64::from(Irregularities::ALL.mask());
    prop_oneof![4 => Just(0), 1 => any].prop_map(|mask| Irregularities::from_mask(mask).unwrap())
}

fn arrival() -> impl Strategy<Value = ArrivalStamp> {
    slot().prop_map(ArrivalStamp::from_code)
}

fn done() -> impl Strategy<Value = Event> {
    let failure = (prop::option::of(one_of(ErrorKind::ALL)), irregularities(), arrival());
    let status = prop_oneof![4 => Just(200u16), 1 => any::<u16>()];
    (slot(), number(), status, number(), number(), any::<bool>(), any::<bool>(), failure).prop_map(
        |(
            exchange,
            first_byte,
            status,
            received,
            unsent,
            reusable,
            unsolicited,
            (failure, irregularities, arrival),
        )| {
            Event::Done {
                exchange: ExchangeSlot(exchange),
                response: Response {
                    first_byte: Tick(first_byte),
                    status,
                    received_bytes: received,
                    unsent_bytes: unsent,
                    reusable,
                    unsolicited,
                    irregularities,
                    arrival,
                },
                failure,
            }
        },
    )
}

fn failed() -> impl Strategy<Value = Event> {
    let first = (prop::option::of(number()), irregularities(), arrival());
    let flags = (any::<bool>(), prop::option::weighted(0.2, one_of(ResendCause::ALL)));
    (slot(), one_of(ErrorKind::ALL), number(), first, number(), number(), flags).prop_map(
        |(
            exchange,
            error,
            detail,
            (first_byte, irregularities, arrival),
            received_bytes,
            unsent_bytes,
            (reusable, resent),
        )| {
            let exchange = ExchangeSlot(exchange);
            let failure = Failure {
                error,
                detail,
                first_byte: first_byte.map(Tick),
                received_bytes,
                unsent_bytes,
                reusable,
                irregularities,
                arrival,
            };
            match resent {
                None => Event::Failed { exchange, failure },
                Some(cause) => Event::Resent { exchange, failure, cause },
            }
        },
    )
}

fn connection_event() -> impl Strategy<Value = Event> {
    let parts = (slot(), number(), one_of(ErrorKind::ALL), number(), any::<u16>(), any::<u16>());
    let codes = (0..10, one_of(CloseCause::ALL), one_of(ReleaseCause::ALL));
    (parts, codes).prop_map(
        |((slot, started, error, detail, target, address), (which, close, release))| {
            let (connection, started) = (ConnectionSlot(slot), Tick(started));
            match which {
                0 => Event::Connected { connection, started },
                1 => Event::ConnectFailed { connection, started, cause: Cause { error, detail } },
                2 => Event::ConnectionClosed { connection, cause: close },
                3 => Event::ConnectStarted { connection, target: TargetId(target), address },
                4 => Event::ConnectionReleased { connection, cause: release },
                5 => Event::TcpReady { connection },
                6 => {
                    let protocol = Protocol::ALL[usize::from(target) % Protocol::ALL.len()];
                    let tls =
                        (address > 0).then_some(TlsNegotiated { version: address, cipher: target });
                    let negotiated = ConnectedAs { protocol, tls };
                    Event::ConnectedAs { connection, started, negotiated }
                }
                7 => Event::StreamsAllowed { connection, allowed: slot },
                8 => Event::GoingAway { connection, code: detail, accepted: started.0 },
                _ => Event::ConnectTimedOut { connection },
            }
        },
    )
}

fn http2_sample() -> impl Strategy<Value = Event> {
    (prop::array::uniform9(number()), number(), number()).prop_map(|(n, stalls, stalled)| {
        Event::Http2Sample(Http2Sample {
            frames_in: n[0],
            frames_out: n[1],
            request_header_bytes_plain: n[2],
            request_header_bytes_wire: n[3],
            response_header_bytes_plain: n[4],
            response_header_bytes_wire: n[5],
            resets_in: n[6],
            resets_out: n[7],
            pings: n[8],
            window_stalls: stalls,
            window_stall_ns: stalled,
        })
    })
}

fn sample() -> impl Strategy<Value = Event> {
    prop::array::uniform10(number()).prop_map(|n| {
        Event::Sample(Sample {
            thread_cpu_ns: n[0],
            spin_ns: n[1],
            switches_voluntary: n[2],
            switches_involuntary: n[3],
            resident_bytes: n[4],
            log_queue: n[5],
            log_stall_ns: n[6],
            loop_passes: n[7],
            loop_pass_max_ns: n[8],
            wall_clock_shift_ns: n[9],
        })
    })
}

fn other() -> impl Strategy<Value = Event> {
    let codes = (one_of(StopReason::ALL), one_of(StoppedBy::ALL), one_of(NeverSentReason::ALL));
    (0..13, slot(), number(), number(), request(), one_of(ErrorKind::ALL), codes).prop_map(
        |(which, slot, a, b, request, error, (stop, by, never))| {
            let (exchange, actor) = (ExchangeSlot(slot), Actor(a));
            let population = request.population;
            match which {
                0 => Event::Wake,
                1 => Event::Stop { reason: stop },
                2 => Event::VuStarted { population, actor, planned: Tick(b) },
                3 => Event::VuStopped { population, actor },
                4 => Event::NotOnWire { request, cause: Cause { error, detail: b } },
                5 => Event::NeverSent { request, reason: never },
                6 => Event::TimedOut { exchange },
                7 => Event::InFlightAtStop { exchange },
                8 => Event::EndReached { by, end: Tick(b) },
                9 => Event::LogStalled { waited_ns: b },
                10 => Event::RedirectFailed { exchange, cause: Cause { error, detail: b } },
                11 => Event::Redirected {
                    exchange,
                    response: Response {
                        first_byte: Tick(a),
                        status: request.request.0,
                        received_bytes: b,
                        unsent_bytes: request.actor.0,
                        reusable: a & 1 == 0,
                        unsolicited: b & 1 == 0,
                        irregularities: Irregularities::from_mask(a >> 59).unwrap(),
                        arrival: ArrivalStamp::from_code(slot / 3),
                    },
                    next: NextHop { target: request.target, request_bytes: request.step.0 },
                },
                _ => Event::Finished,
            }
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![4 => sent(), 4 => done(), 1 => failed(), 1 => connection_event(), 1 => sample(),
                1 => http2_sample(), 2 => other()]
}

/// Time that mostly stands still or creeps, sometimes jumps to the very end.
fn timed_events() -> impl Strategy<Value = Vec<(Tick, Event)>> {
    let passed =
        prop_oneof![2 => Just(0u64), 4 => 0u64..5, 2 => 0u64..1_000_000, 1 => any::<u64>()];
    prop::collection::vec((passed, event()), 0..200).prop_map(|events| {
        let mut now = 0u64;
        events
            .into_iter()
            .map(|(passed, event)| {
                now = now.checked_add(passed).unwrap_or(now);
                (Tick(now), event)
            })
            .collect()
    })
}

fn partition() -> impl Strategy<Value = Partition> {
    let part = || (1..=u16::MAX).prop_flat_map(|parts| (0..parts, Just(parts)));
    (part(), part()).prop_map(|((shard, shards), (worker, workers))| {
        Partition::new(shard, shards, WorkerId(worker), workers)
    })
}

fn blocks(partition: Partition, events: &[(Tick, Event)], per: usize) -> Vec<SealedBlock> {
    let builder = BlockBuilder::new(partition, Vec::new());
    let mut builder = builder.with_arrival_stamps(true);
    let mut blocks = Vec::new();
    for chunk in events.chunks(per) {
        for (at, event) in chunk {
            if builder.push(*at, event).is_err() {
                blocks.push(builder.close(Vec::new()));
                builder.push(*at, event).expect("an empty block takes any event");
            }
        }
        blocks.push(builder.close(Vec::new()));
    }
    blocks
}

proptest! {
    #[test]
    fn any_events_round_trip(
        events in timed_events(), partition in partition(), per in 1usize..200,
    ) {
        let decoder = BlockDecoder::new(partition.with_worker(WorkerId(0)));
        let mut decoder = decoder.with_arrival_stamps(true);
        let mut decoded = Vec::new();
        for block in blocks(partition, &events, per) {
            prop_assert!(block.payload().len() <= MAX_PAYLOAD_BYTES);
            for event in decoder.events_of(&block) {
                decoded.push(event.map_err(|error| TestCaseError::fail(error.to_string()))?);
            }
        }
        prop_assert_eq!(decoded, events);
    }

    #[test]
    fn planned_exactly_where_it_is_expected_round_trips(slots in prop::collection::vec(0u32..3, 1..50)) {
        // Each request is planned at an instant the block already knows.
        let mut events = Vec::new();
        let mut ends = [Tick(7); 3];
        let mut now = Tick(7);
        for (i, slot) in slots.into_iter().enumerate() {
            let planned = if i % 2 == 0 { ends[slot as usize] } else { now };
            now = Tick(now.0 + i as u64 % 3);
            let request = PlannedRequest {
                population: Population(0), actor: Actor(u64::from(slot)), step: Step(i as u64),
                request: RequestId(0), target: TargetId(0), planned,
            };
            let (exchange, connection) = (ExchangeSlot(slot), ConnectionSlot(slot));
            events.push((now, Event::Sent {
                exchange, written_bytes: 5, request, attempt: 0, connection, request_bytes: 5, length_is_input: false }));
            now = Tick(now.0 + 2);
            events.push((now, Event::TimedOut { exchange }));
            ends[slot as usize] = now;
        }
        let block = blocks(Partition::WHOLE, &events, usize::MAX).remove(0);
        let mut decoder = BlockDecoder::new(Partition::WHOLE).with_arrival_stamps(true);
        let decoded: Result<Vec<_>, _> = decoder.events_of(&block).collect();
        prop_assert_eq!(decoded, Ok(events));
    }
}

fn timed_out(slot: u32) -> Event {
    Event::TimedOut { exchange: ExchangeSlot(slot) }
}

/// The next request of the VU of a slot, which is due when the one before has ended.
fn next_sent(slot: u32, step: u64, planned: Tick) -> Event {
    let request = PlannedRequest {
        population: Population(0),
        actor: Actor(u64::from(slot)),
        step: Step(step),
        request: RequestId(0),
        target: TargetId(0),
        planned,
    };
    Event::Sent {
        exchange: ExchangeSlot(slot),
        written_bytes: 0,
        request,
        attempt: 0,
        connection: ConnectionSlot(slot),
        request_bytes: 0,
        length_is_input: false,
    }
}

/// What these events take, once it is known that they come back.
fn length_of(events: &[Event]) -> usize {
    let events: Vec<_> = events.iter().map(|event| (Tick(7), *event)).collect();
    let block = blocks(Partition::WHOLE, &events, usize::MAX).remove(0);
    let mut decoder = BlockDecoder::new(Partition::WHOLE).with_arrival_stamps(true);
    let decoded: Result<Vec<_>, _> = decoder.events_of(&block).collect();
    assert_eq!(decoded, Ok(events));
    block.payload().len()
}

#[test]
fn requests_in_the_order_in_which_slots_ended_take_a_byte() {
    let next = |slot, step| next_sent(slot, step, Tick(7));
    let started: Vec<_> = (0..3).map(|slot| next(slot, u64::MAX)).collect();
    let ended = [2, 0, 1].map(timed_out);
    let begun = [&started[..], &ended].concat();
    let added = |more: &[Event]| length_of(&[&begun[..], more].concat()) - length_of(&begun);
    assert_eq!(added(&[next(2, 0), next(0, 0), next(1, 0)]), 3);
    // Another slot, or another step, and nothing is expected until the next exchange ends.
    assert_eq!(added(&[next(0, 0), next(2, 0), next(1, 0)]), 9);
    assert_eq!(added(&[next(2, 0), next(0, 1), next(1, 0)]), 1 + 4 + 3);
    assert_eq!(added(&[next(0, 0), timed_out(0), next(0, 1)]), 3 + 2 + 1);
    // The end of a slot whose number takes a byte more.
    assert_eq!(
        added(&[timed_out(200), next(2, 0), next(0, 0), next(1, 0), next(200, u64::MAX)]),
        3 + 4
    );
}

#[test]
fn only_so_many_slots_wait() {
    let next = |slot| next_sent(slot, 0, Tick(7));
    let ended: Vec<_> = (0..257).map(timed_out).collect();
    let begun: Vec<_> = ended.iter().copied().chain((0..256).map(next)).collect();
    assert_eq!(length_of(&begun), length_of(&ended) + 256);
    let all: Vec<_> = begun.iter().copied().chain([next(256)]).collect();
    assert_eq!(length_of(&all), length_of(&begun) + 4);
}

#[test]
fn a_next_request_without_a_slot_that_waits_is_an_error() {
    let mut decoder = BlockDecoder::new(Partition::WHOLE);
    let payload = [0x17, 3, 0x0F, 0x0F];
    let events: Vec<_> = decoder.events(WorkerId(0), Tick(7), 3, &payload).collect();
    assert_eq!(events[1], Ok((Tick(7), next_sent(3, 0, Tick(7)))));
    assert_eq!(events[2], Err(DecodeError::NoSlotWaits { offset: 3 }));
}

/// The longest encodings: every field present, every number of ten bytes.
fn longest_events() -> Vec<Event> {
    let max = u64::MAX / 2;
    let request = PlannedRequest {
        population: Population(255),
        actor: Actor(max),
        step: Step(max),
        request: RequestId(u16::MAX),
        target: TargetId(u16::MAX),
        planned: Tick(u64::MAX),
    };
    let (exchange, connection) = (ExchangeSlot(u32::MAX), ConnectionSlot(u32::MAX - 1));
    let (error, started) = (ErrorKind::CheckFailed, Tick(u64::MAX));
    let n = u64::MAX;
    vec![
        Event::Sent {
            exchange,
            written_bytes: n - 1,
            request,
            attempt: 255,
            connection,
            request_bytes: n,
            length_is_input: true,
        },
        Event::Done {
            exchange,
            response: Response {
                first_byte: started,
                status: u16::MAX,
                received_bytes: n,
                unsent_bytes: n,
                reusable: true,
                unsolicited: true,
                irregularities: Irregularities::ALL,
                arrival: ArrivalStamp::from_code(u32::MAX),
            },
            failure: Some(error),
        },
        Event::Failed {
            exchange,
            failure: Failure {
                error,
                detail: n,
                first_byte: Some(started),
                received_bytes: n,
                unsent_bytes: n,
                reusable: false,
                irregularities: Irregularities::ALL,
                arrival: ArrivalStamp::from_code(u32::MAX),
            },
        },
        Event::ConnectFailed { connection, started, cause: Cause { error, detail: n } },
        Event::NotOnWire { request, cause: Cause { error, detail: n } },
        Event::Sample(Sample {
            thread_cpu_ns: n,
            spin_ns: n,
            switches_voluntary: n,
            switches_involuntary: n,
            resident_bytes: n,
            log_queue: n,
            log_stall_ns: n,
            loop_passes: n,
            loop_pass_max_ns: n,
            wall_clock_shift_ns: n,
        }),
    ]
}

#[test]
fn a_log_without_stamps_holds_none_and_is_a_byte_shorter_for_each_response() {
    let lengths = [false, true].map(|has_stamps| {
        let event = longest_events().remove(1);
        let builder = BlockBuilder::new(Partition::WHOLE, Vec::new());
        let mut builder = builder.with_arrival_stamps(has_stamps);
        let Event::Done { exchange, response, failure } = event else { panic!("{event:?}") };
        let arrival = ArrivalStamp::new(Tick(5_000), Tick(9_000));
        let response = Response { arrival, ..response };
        builder.push(Tick(9_000), &Event::Done { exchange, response, failure }).unwrap();
        let block = builder.close(Vec::new());
        let mut decoder = BlockDecoder::new(Partition::WHOLE).with_arrival_stamps(has_stamps);
        let decoded: Vec<_> = decoder.events_of(&block).map(Result::unwrap).collect();
        let [(_, Event::Done { response, .. })] = decoded[..] else { panic!("{decoded:?}") };
        assert_eq!(response.arrival.arrived(Tick(9_000)), has_stamps.then_some(Tick(5_000)));
        block.payload().len()
    });
    assert_eq!(lengths[1], lengths[0] + 1);
}

#[test]
fn the_longest_events_fit() {
    let at = Tick(u64::MAX - 1);
    for event in longest_events() {
        let builder = BlockBuilder::new(Partition::WHOLE, Vec::new());
        let mut builder = builder.with_arrival_stamps(true);
        builder.push(Tick(0), &Event::Wake).unwrap();
        builder.push(at, &event).unwrap();
        let block = builder.close(Vec::new());
        assert!(block.payload().len() <= 1 + MAX_EVENT_BYTES);
        let mut decoder = BlockDecoder::new(Partition::WHOLE).with_arrival_stamps(true);
        let decoded: Result<Vec<_>, _> = decoder.events_of(&block).collect();
        assert_eq!(decoded, Ok(vec![(Tick(0), Event::Wake), (at, event)]));
    }
}

#[test]
fn a_full_block_refuses_and_stays_as_it_was() {
    let mut builder = BlockBuilder::new(Partition::WHOLE, Vec::new());
    let event = longest_events().remove(5);
    let mut pushed = 0;
    while builder.push(Tick(pushed), &event).is_ok() {
        pushed += 1;
    }
    let (length, count) = (builder.payload_len(), builder.event_count());
    assert!(length + MAX_EVENT_BYTES > MAX_PAYLOAD_BYTES && length <= MAX_PAYLOAD_BYTES);
    assert!(builder.push(Tick(pushed), &Event::Wake).is_err());
    assert_eq!((builder.payload_len(), builder.event_count()), (length, count));
    assert_eq!(builder.first_tick(), Some(Tick(0)));
    let block = builder.close(Vec::new());
    assert!(builder.is_empty() && builder.first_tick().is_none());
    assert_eq!(
        BlockDecoder::new(Partition::WHOLE).events_of(&block).filter(Result::is_ok).count() as u64,
        pushed
    );
    assert_eq!((block.counts().copied, block.counts().inputs), (count, 0));
}

#[test]
#[should_panic(expected = "ticks never go down")]
fn ticks_never_go_down_across_blocks() {
    let mut builder = BlockBuilder::new(Partition::WHOLE, Vec::new());
    builder.push(Tick(5), &Event::Wake).unwrap();
    drop(builder.close(Vec::new()));
    let _ = builder.push(Tick(4), &Event::Wake);
}

#[test]
fn kinds_from_0x80_are_skipped_and_counted_and_change_nothing() {
    // wake; kind 0x80 of 3 bytes; wake 2 ns later; kind 0xFF of 0 bytes
    let payload = [0x04, 0x80, 3, 1, 2, 3, 0x44, 2, 0xFF, 0];
    let mut decoder = BlockDecoder::new(Partition::WHOLE);
    let mut events = decoder.events(WorkerId(0), Tick(9), 4, &payload);
    assert_eq!(events.next(), Some(Ok((Tick(9), Event::Wake))));
    assert_eq!(events.next(), Some(Ok((Tick(11), Event::Wake))));
    assert_eq!(events.next(), None);
    assert_eq!(events.skipped(), 2);
}

fn decode_error(count: u32, base: u64, payload: &[u8]) -> Option<DecodeError> {
    BlockDecoder::new(Partition::WHOLE)
        .events(WorkerId(0), Tick(base), count, payload)
        .find_map(Result::err)
}

#[test]
fn what_is_no_event_is_a_typed_error() {
    let cases: &[(&[u8], DecodeError)] = &[
        (&[0x32], DecodeError::UnknownKind { offset: 0, kind: 0x32 }),
        (&[0x31, 0x00, 0x00], DecodeError::OutOfRange { offset: 2 }),
        (&[0x44, 0x00], DecodeError::BadTime { offset: 0 }),
        (&[0x44, 0x02], DecodeError::BadTime { offset: 0 }),
        (&[0x08, 0x63], DecodeError::UnknownCode { offset: 1, code: 0x63 }),
        (&[0x02, 0x00, 0x80, 0x01], DecodeError::BadFlags { offset: 4, flags: 0x01 }),
        (&[0x01, 0x00, 0x60], DecodeError::BadFlags { offset: 3, flags: 0x60 }),
        (&[0x01, 0x00, 0x80, 0x20], DecodeError::BadFlags { offset: 4, flags: 0x20 }),
        (&[0x03, 0x00, 0x10], DecodeError::BadFlags { offset: 3, flags: 0x10 }),
        (&[0x1C, 0x00], DecodeError::OutOfRange { offset: 1 }),
        (&[0x80, 0x05, 0x00], DecodeError::UnexpectedEnd { offset: 3 }),
        (&[0x04, 0x04], DecodeError::EventCount { expected: 1, found: 2 }),
        (&[], DecodeError::EventCount { expected: 1, found: 0 }),
    ];
    for (payload, error) in cases {
        assert_eq!(decode_error(1, u64::MAX - 1, payload), Some(*error), "{payload:02x?}");
    }
}
