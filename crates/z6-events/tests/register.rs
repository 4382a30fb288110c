//! The register in docs/EVENT_LOG.md and the code say the same: what is in use is read under its name,
//! and all else, reserved or free, is an error.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "reads a page of the docs")]

use std::collections::BTreeMap;

use z6_events::{
    BlockDecoder, BlockKind, CloseCause, DecodeError, ErrorGroup, ErrorKind, Event, Irregularity,
    LogError, LogHeader, LogReader, NeverSentReason, NoteKind, Partition, Phase, Protocol,
    ReleaseCause, ResendCause, StopReason, StoppedBy, Tick, WorkerId, event_name,
};

/// The cells of the table under a heading of the register, without its first two lines.
fn table(heading: &str) -> Vec<Vec<String>> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/EVENT_LOG.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, register) = page.split_once("\n## The register\n").unwrap();
    let (_, section) = register.split_once(&format!("\n### {heading}\n")).unwrap();
    let lines = section.lines().skip_while(|line| !line.starts_with('|')).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|'));
    let cells = |line: &str| {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
    };
    let rows: Vec<_> = rows.map(cells).collect();
    assert!(!rows.is_empty(), "{heading}");
    rows
}

fn is_in_use(state: &str) -> bool {
    match state {
        "in use" => true,
        "reserved" => false,
        other => panic!("state {other}"),
    }
}

/// Number to name, of the rows that are in use.
fn in_use(heading: &str) -> BTreeMap<u8, String> {
    let number = |cell: &str| match cell.strip_prefix("0x") {
        Some(digits) => u8::from_str_radix(digits, 16).unwrap(),
        None => cell.parse().unwrap(),
    };
    let rows = table(heading);
    let numbers: Vec<u8> = rows.iter().map(|row| number(&row[0])).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{heading}: each once, in order");
    let used = rows.iter().zip(numbers).filter(|(row, _)| is_in_use(&row[1]));
    used.map(|(row, number)| (number, row[2].clone())).collect()
}

/// The first event of a payload that begins so and goes on with ones.
fn first(start: &[u8]) -> Result<Event, DecodeError> {
    nth(0, start)
}

/// The event behind `before` others.
fn nth(before: usize, start: &[u8]) -> Result<Event, DecodeError> {
    let payload = [start, &[1; 40]].concat();
    let mut decoder = BlockDecoder::new(Partition::WHOLE);
    let found = decoder.events(WorkerId(0), Tick(9), 40, &payload).nth(before).unwrap();
    found.map(|(_, event)| event)
}

#[test]
fn kinds_of_records() {
    let used = in_use("Record kinds");
    for kind in 0..0x40 {
        // Behind the end of an exchange, whose slot `sent` may take again.
        match (nth(1, &[0x17, 0, kind]), used.get(&kind)) {
            (Ok(event), Some(name)) => assert_eq!(event_name(&event), name, "{kind:#04x}"),
            (Err(error), None) => {
                assert_eq!(error, DecodeError::UnknownKind { offset: 2, kind }, "{kind:#04x}");
            }
            (found, listed) => panic!("{kind:#04x}: {found:?}, but the register has {listed:?}"),
        }
    }
}

#[test]
fn flags_of_records() {
    let mut used = BTreeMap::new();
    for row in table("Flags") {
        let bit: u8 = row[2].parse().unwrap();
        let key = (row[0].clone(), row[1].clone(), bit);
        assert!(used.insert(key, is_in_use(&row[3])).is_none(), "{row:?} twice");
    }
    for (record, kind) in [("sent", 0x01), ("done", 0x02), ("failed", 0x03), ("redirected", 0x09)] {
        let more =
            used.iter().find(|((of, byte, _), state)| of == record && byte == "more" && **state);
        let ((_, _, more), _) = more.unwrap();
        for bit in 0..8 {
            // Bit 7 of *flags* alone promises a *more* byte.
            let flags =
                if bit == 7 { vec![kind, 0, 0x80, 1 << more] } else { vec![kind, 0, 1 << bit] };
            for (byte, start) in [("flags", flags), ("more", vec![kind, 0, 0x80, 1 << bit])] {
                let listed = used.get(&(record.to_owned(), byte.to_owned(), bit));
                match first(&start) {
                    Ok(_) => assert_eq!(listed, Some(&true), "{record} {byte} bit {bit}"),
                    Err(DecodeError::BadFlags { .. }) => {
                        assert_ne!(listed, Some(&true), "{record} {byte} bit {bit}");
                    }
                    Err(other) => panic!("{record} {byte} bit {bit}: {other}"),
                }
            }
        }
    }
}

#[test]
fn kinds_and_phases_of_blocks() {
    let (kinds, phases) = (in_use("Block kinds"), in_use("Phases"));
    for code in 0..0x80 {
        let is_known = !matches!(BlockKind::from_code(code), BlockKind::Unknown(_));
        assert_eq!(kinds.contains_key(&code), is_known, "block kind {code}");
        let is_known = !matches!(Phase::from_code(code), Phase::Unknown(_));
        assert_eq!(phases.contains_key(&code), is_known, "phase {code}");
    }
}

#[test]
fn flags_of_the_header() {
    let used = in_use("File header flags");
    let plain = LogHeader::default();
    let stamped = LogHeader { arrival_stamps: true, ..plain.clone() };
    for bit in 0..32 {
        let mut header = plain.encode().unwrap();
        header[32 + usize::from(bit) / 8] |= 1 << (bit % 8);
        let body = header.len() - 4;
        let crc = crc32fast::hash(&header[..body]);
        header[body..].copy_from_slice(&crc.to_le_bytes());
        match LogReader::new(&header[..]) {
            Ok(reader) => assert_eq!((bit, reader.header()), (0, &stamped)),
            Err(LogError::UnknownFlags { flags }) => assert_eq!(flags, 1 << bit),
            Err(other) => panic!("bit {bit}: {other}"),
        }
        assert_eq!(used.contains_key(&bit), bit == 0, "bit {bit}");
    }
}

#[test]
fn forms_of_values() {
    let used = in_use("Values");
    for form in 0..=255 {
        match first(&[0x30, 0, 0, form]) {
            Ok(_) => assert!(used.contains_key(&form), "form {form}"),
            Err(error) => {
                assert_eq!(error, DecodeError::UnknownCode { offset: 3, code: form });
                assert!(!used.contains_key(&form), "form {form}");
            }
        }
    }
}

#[test]
fn bits_of_irregularities() {
    let used = in_use("Irregularities");
    let all = Irregularity::ALL.iter().map(|kind| (kind.bit(), kind.name().to_owned()));
    assert_eq!(used, all.collect());
    for (row, kind) in table("Irregularities").iter().zip(Irregularity::ALL) {
        assert_eq!(row[3], kind.section(), "{}", kind.name());
    }
    for bit in 0..16 {
        // A `done` with a mask of this bit alone, in one byte or two.
        let (low, high) = (1u16.wrapping_shl(bit) & 0x7F, (1 << bit) >> 7);
        let mask = if high == 0 { vec![low as u8] } else { vec![low as u8 | 0x80, high as u8] };
        let found = first(&[&[0x02, 0, 0x80, 4][..], &mask].concat());
        assert_eq!(found.is_ok(), used.contains_key(&(bit as u8)), "bit {bit}: {found:?}");
    }
    assert_eq!(first(&[0x02, 0, 0x80, 4, 0]), Err(DecodeError::OutOfRange { offset: 4 }));
}

type Codes = Vec<(u8, String)>;
type IsKnown = fn(u8) -> bool;

/// What a cell of the table of codes lists: `1 interrupt, 2 terminate`.
fn listed(cell: &str) -> Codes {
    let one = |item: &str| {
        let (code, name) = item.split_once(' ').unwrap();
        (code.parse().unwrap(), name.to_owned())
    };
    cell.split(", ").filter(|item| !item.is_empty()).map(one).collect()
}

#[test]
fn codes() {
    let mut expected: BTreeMap<String, (Codes, IsKnown)> = BTreeMap::new();
    macro_rules! codes {
        ($name:literal, $type:ident) => {
            let all = $type::ALL.iter().map(|value| (value.code(), value.name().to_owned()));
            let is_known: IsKnown = |code| $type::from_code(code).is_some();
            expected.insert($name.to_owned(), (all.collect(), is_known));
        };
    }
    codes!("stop", StopReason);
    codes!("end", StoppedBy);
    codes!("never sent", NeverSentReason);
    codes!("closed", CloseCause);
    codes!("released", ReleaseCause);
    codes!("note", NoteKind);
    codes!("protocol", Protocol);
    codes!("resent", ResendCause);
    for (name, group) in [
        ("transport", ErrorGroup::Transport),
        ("TLS", ErrorGroup::Tls),
        ("protocol", ErrorGroup::Protocol),
        ("limit", ErrorGroup::Limit),
        ("timeout", ErrorGroup::Timeout),
        ("status", ErrorGroup::Status),
        ("value", ErrorGroup::Value),
    ] {
        let of_group = ErrorKind::ALL.iter().filter(|kind| kind.group() == group);
        let all = of_group.map(|kind| (kind.code(), kind.name().to_owned())).collect();
        expected
            .insert(format!("error: {name}"), (all, |code| ErrorKind::from_code(code).is_some()));
    }
    let rows = table("Codes");
    assert_eq!(rows.len(), expected.len());
    let mut reserved_errors = Vec::new();
    for row in rows {
        let (all, is_known) = &expected[&row[0]];
        assert_eq!(&listed(&row[1]), all, "{}", row[0]);
        for (code, name) in listed(&row[2]) {
            assert!(!is_known(code), "{}: {code} {name} is reserved", row[0]);
            if row[0].starts_with("error") {
                reserved_errors.push(code);
            }
        }
    }
    let count = reserved_errors.len();
    reserved_errors.sort_unstable();
    reserved_errors.dedup();
    assert_eq!(reserved_errors.len(), count, "errors share one space of codes");
}
