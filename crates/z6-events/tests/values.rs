//! Values with bytes: each survives the encoding, in the form that is shortest for it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

use proptest::prelude::*;
use z6_events::{
    BlockBuilder, BlockDecoder, ByteRange, DecodeError, Event, ExchangeSlot, LoggedValue,
    MAX_VALUE_BYTES, NoteKind, Partition, Tick, VariableId, WorkerId,
};

/// A value as a test writes it down.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Plain {
    Clear(Vec<u8>),
    Other(LoggedValue),
}

fn clear(text: &str) -> Plain {
    Plain::Clear(text.as_bytes().to_vec())
}

/// One block with these values of variables, all at one tick.
fn encoded(values: &[(u16, Plain)]) -> (BlockBuilder, Vec<Event>) {
    encoded_every(0, values)
}

/// One block with these values of variables, so many ticks after each other; its payload.
fn encoded_every(ticks: u64, values: &[(u16, Plain)]) -> (BlockBuilder, Vec<Event>) {
    let mut arena = vec![0xAA; 3];
    let mut events = Vec::new();
    for (variable, value) in values {
        let value = match value {
            Plain::Other(value) => *value,
            Plain::Clear(bytes) => {
                arena.extend_from_slice(bytes);
                LoggedValue::Clear(ByteRange::new(arena.len() - bytes.len(), bytes.len()))
            }
        };
        let (exchange, variable) = (ExchangeSlot(2), VariableId(*variable));
        // Lists of some variables.
        let count = (variable.0 % 3 == 2).then_some(u32::from(variable.0) * 1_000);
        events.push(Event::Value { exchange, variable, value, count });
    }
    let mut builder = BlockBuilder::new(Partition::WHOLE, Vec::new());
    for (at, event) in (0..).map(|i| Tick(5 + i * ticks)).zip(&events) {
        builder.push_with(at, event, &arena).expect("a block has room for all");
    }
    (builder, events)
}

fn decoded(builder: &mut BlockBuilder) -> Vec<(u16, Plain)> {
    let block = builder.close(Vec::new());
    let mut decoder = BlockDecoder::new(Partition::WHOLE);
    let mut events = decoder.events_of(&block);
    let all: Vec<_> = events.by_ref().map(Result::unwrap).collect();
    let plain = |event: &Event| {
        let Event::Value { variable, value, count, .. } = *event else { panic!("{event:?}") };
        assert_eq!(count, (variable.0 % 3 == 2).then_some(u32::from(variable.0) * 1_000));
        let plain = match event.bytes() {
            Some(range) => Plain::Clear(range.of(events.arena()).to_vec()),
            None => Plain::Other(value),
        };
        (variable.0, plain)
    };
    all.iter().map(|(_, event)| plain(event)).collect()
}

fn value() -> impl Strategy<Value = Plain> {
    let uuid = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
    prop_oneof![
        3 => "(0|[1-9][0-9]{0,19})".prop_map(|text| clear(&text)),
        2 => uuid.prop_map(|text| clear(&text)),
        2 => "[0-9a-f]{0,64}".prop_map(|text| clear(&text)),
        3 => prop::collection::vec(any::<u8>(), 0..=MAX_VALUE_BYTES).prop_map(Plain::Clear),
        1 => "[0-9A-Fa-f-]{36}".prop_map(|text| clear(&text)),
        1 => (any::<[u8; 16]>(), any::<u64>())
            .prop_map(|(digest, length)| Plain::Other(LoggedValue::Digest { digest, length })),
        1 => Just(Plain::Other(LoggedValue::Missing)),
        1 => Just(Plain::Other(LoggedValue::Withheld)),
    ]
}

proptest! {
    #[test]
    fn any_values_round_trip(
        values in prop::collection::vec((prop_oneof![4 => 0u16..3, 1 => any::<u16>()], value()), 0..200)
    ) {
        for ticks in [0, 1_000] {
            let (mut builder, _) = encoded_every(ticks, &values);
            prop_assert_eq!(&decoded(&mut builder), &values);
        }
    }
}

/// Bytes of the last of these values of one variable: form and content.
fn cost(values: &[&str]) -> usize {
    let length = |values: &[&str]| {
        let values: Vec<_> = values.iter().map(|text| (0, clear(text))).collect();
        encoded(&values).0.payload_len()
    };
    // Kind, slot and variable are not of the value.
    length(values) - length(&values[..values.len() - 1]) - 3
}

#[test]
fn the_shortest_form_is_written() {
    let uuid = "00112233-4455-6677-8899-aabbccddeeff";
    assert_eq!(cost(&["4711"]), 1 + 2);
    assert_eq!(cost(&["4711", "4712"]), 1 + 1, "an integer is a difference");
    assert_eq!(cost(&["4711", "x", "4712"]), 1 + 1, "from the last integer");
    assert_eq!(cost(&["04711"]), 1 + 1 + 5, "a leading zero is kept");
    assert_eq!(cost(&["18446744073709551616"]), 1 + 1 + 10, "no u64, but digits of bytes");
    assert_eq!(cost(&[uuid]), 1 + 16);
    assert_eq!(cost(&[&uuid.to_uppercase()]), 1 + 1 + 36, "uppercase is kept");
    assert_eq!(cost(&["00c0ffee"]), 1 + 1 + 4);
    assert_eq!(cost(&[uuid, uuid]), 1, "the same again");
    assert_eq!(cost(&["a token"]), 1 + 1 + 7);
}

#[test]
fn bad_forms_and_lengths_are_errors() {
    let first = |payload: &[u8]| {
        let mut decoder = BlockDecoder::new(Partition::WHOLE);
        decoder.events(WorkerId(0), Tick(0), 1, payload).next().unwrap()
    };
    let cases: [(&[u8], DecodeError); 4] = [
        (&[0x30, 0, 0, 8], DecodeError::UnknownCode { offset: 3, code: 8 }),
        (&[0x30, 0, 0, 1, 65], DecodeError::OutOfRange { offset: 4 }),
        (&[0x30, 0, 0, 4, 33], DecodeError::OutOfRange { offset: 4 }),
        (&[0x30, 0, 0, 3, 1, 2], DecodeError::UnexpectedEnd { offset: 6 }),
    ];
    for (payload, error) in cases {
        assert_eq!(first(payload), Err(error), "{payload:02x?}");
    }
}

#[test]
fn notes_come_back_and_are_bounded() {
    let arena = *b"##http://other.example/\xff";
    let mut builder = BlockBuilder::new(Partition::WHOLE, Vec::new());
    for (slot, (start, length)) in (0..).zip([(2, 21), (24, 0), (23, 1)]) {
        let text = ByteRange::new(start, length);
        let note = Event::Note { about: NoteKind::Location, slot: slot << 20, text };
        builder.push_with(Tick(5), &note, &arena).unwrap();
    }
    let block = builder.close(Vec::new());
    let mut decoder = BlockDecoder::new(Partition::WHOLE);
    let mut events = decoder.events_of(&block);
    let all: Vec<_> = events.by_ref().map(|event| event.unwrap().1).collect();
    let texts = all.iter().map(|event| event.bytes().unwrap().of(events.arena()));
    assert_eq!(texts.collect::<Vec<_>>(), [&b"http://other.example/"[..], b"", b"\xff"]);
    assert!(matches!(all[2], Event::Note { about: NoteKind::Location, slot: 2_097_152, .. }));
    let first = |payload: &[u8]| {
        let mut decoder = BlockDecoder::new(Partition::WHOLE);
        decoder.events(WorkerId(0), Tick(0), 1, payload).next().unwrap()
    };
    assert_eq!(first(&[0x24, 1, 0, 97]), Err(DecodeError::OutOfRange { offset: 3 }));
    let unknown = DecodeError::UnknownCode { offset: 1, code: 0 };
    assert_eq!(first(&[0x24, 0, 0, 0]), Err(unknown));
}

#[test]
#[should_panic(expected = "longer values are logged as a digest")]
fn a_value_in_clear_is_short() {
    encoded(&[(0, Plain::Clear(vec![b'x'; MAX_VALUE_BYTES + 1]))]);
}
