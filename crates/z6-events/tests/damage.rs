//! What becomes of a log that is cut, flipped, shuffled or forged: never a clean end, never an
//! event that was not in it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

mod common;

use common::{Log, golden_log, header, read};
use z6_events::{
    BlockHeader, BlockKind, Ending, Event, LogAssembler, LogDigest, LogError, LogHeader, LogReader,
    Phase, TearReason,
};

/// The same bytes with one block's header changed and its CRC made valid again.
fn reforged(log: &Log, block: usize, change: impl Fn(&mut BlockHeader)) -> Vec<u8> {
    let mut bytes = log.bytes.clone();
    let at = log.blocks[block];
    let mut header = BlockHeader::decode(&bytes[at..]).unwrap();
    change(&mut header);
    bytes[at..at + 80].copy_from_slice(&header.encode());
    bytes
}

/// Blocks in another order; what stands before the first stays, the final digest too.
fn rearranged(log: &Log, order: &[usize]) -> Vec<u8> {
    let mut bytes = log.bytes[..log.blocks[0]].to_vec();
    for &block in order {
        let end = log.blocks.get(block + 1).copied().unwrap_or(log.bytes.len());
        bytes.extend_from_slice(&log.bytes[log.blocks[block]..end]);
    }
    bytes
}

#[test]
fn the_log_itself_reads_clean() {
    let log = golden_log(1);
    let all = read(&log.bytes);
    let Ok(Ending::Clean { footer, digest }) = all.end else { panic!("not clean") };
    assert_eq!(digest, log.digest);
    assert_eq!(footer.events, all.events.len() as u64);
    assert_eq!(footer.blocks, log.blocks.len() as u64 - 1);
    assert_eq!(footer.facts, common::facts());
    assert_eq!(all.attached, [("payload.json".to_owned(), b"{\"a\": 1}".to_vec())]);
    let reader = LogReader::new(&log.bytes[..]).unwrap();
    assert_eq!(reader.header(), &header());
    let names: Vec<_> =
        reader.attachments().iter().map(|a| (a.name.as_str(), a.length, a.stored)).collect();
    assert_eq!(
        names,
        [("payload.json", 8, true), ("empty.bin", 0, true), ("huge.bin", 1000, false)]
    );
}

#[test]
fn cut_at_every_byte_the_whole_blocks_are_recovered_and_the_rest_is_counted() {
    let log = golden_log(1);
    let whole = read(&log.bytes).events;
    for cut in 0..log.bytes.len() {
        let all = read(&log.bytes[..cut]);
        let Ok(ending) = all.end else {
            assert!(cut < log.blocks[0], "cut at {cut}");
            assert!(
                matches!(all.end, Err(LogError::HeaderTruncated { bytes }) if bytes == cut as u64)
            );
            continue;
        };
        let Ending::Torn { valid_bytes, lost_bytes, reason } = ending else {
            panic!("clean at {cut}")
        };
        let expected = log.blocks.iter().rev().find(|start| **start <= cut).unwrap();
        assert_eq!((valid_bytes, valid_bytes + lost_bytes), (*expected as u64, cut as u64));
        let at_block = log.blocks.contains(&cut);
        assert_eq!(reason == TearReason::NoFooter, at_block, "cut at {cut}: {reason}");
        assert_eq!(all.events[..], whole[..all.events.len()]);
        let before = log.blocks.iter().filter(|start| (**start as u64) < valid_bytes);
        let promised = before.map(|at| BlockHeader::decode(&log.bytes[*at..]).unwrap().events);
        assert_eq!(all.events.len() as u32, promised.sum::<u32>());
    }
}

#[test]
fn every_bit_flip_is_detected() {
    let log = golden_log(1);
    let whole = read(&log.bytes).events;
    let footer = *log.blocks.last().unwrap();
    for bit in 0..8 * log.bytes.len() {
        let mut bytes = log.bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let all = read(&bytes);
        assert_eq!(all.events[..], whole[..all.events.len()], "bit {bit} invents events");
        match all.end {
            Ok(Ending::Clean { .. }) => panic!("bit {bit} goes unnoticed"),
            Ok(Ending::Torn { valid_bytes, .. }) => {
                assert!(bit / 8 >= footer, "bit {bit}: valid blocks follow");
                assert_eq!(valid_bytes, footer as u64);
            }
            Err(error) => assert!(bit / 8 < footer, "bit {bit}: {error}"),
        }
    }
}

#[test]
fn damage_before_valid_blocks_names_its_place() {
    let log = golden_log(1);
    for block in 0..log.blocks.len() - 1 {
        let (at, next) = (log.blocks[block] as u64, log.blocks[block + 1] as u64);
        for (byte, expected) in [
            (log.blocks[block], TearReason::BlockHeader),
            (log.blocks[block] + 80, TearReason::Payload),
        ] {
            if byte as u64 >= next {
                continue;
            }
            let mut bytes = log.bytes.clone();
            bytes[byte] ^= 0xFF;
            match read(&bytes).end {
                Err(LogError::Damaged { offset, reason, next_valid }) => {
                    assert_eq!((offset, reason, next_valid), (at, expected, next));
                }
                other => panic!("block {block}: {other:?}"),
            }
        }
    }
}

#[test]
fn bytes_missing_inside_a_block_are_damage_not_a_torn_tail() {
    let log = golden_log(1);
    let block = log.blocks[4];
    let mut bytes = log.bytes.clone();
    bytes.drain(block + 90..block + 93);
    assert!(matches!(read(&bytes).end, Err(LogError::Damaged { .. })));
    // The damaged block is the last but one, and the file ends inside what its header promises.
    let (last, footer) = (log.blocks[log.blocks.len() - 3], log.blocks[log.blocks.len() - 2]);
    let mut bytes = log.bytes[..footer + 80].to_vec();
    bytes.drain(last + 80..footer - 1);
    assert!(matches!(read(&bytes).end, Err(LogError::Damaged { .. })));
}

#[test]
fn a_valid_block_is_found_far_behind_the_damage() {
    let log = golden_log(1);
    let cut = log.blocks[5];
    for gap in [0, 1, 65_535, 65_536, 131_200, 131_233, 300_001] {
        let mut bytes = log.bytes[..cut].to_vec();
        bytes.extend(std::iter::repeat_n(0xC6, gap));
        let torn = read(&bytes).end.unwrap();
        assert!(matches!(torn, Ending::Torn { lost_bytes, .. } if lost_bytes == gap as u64));
        bytes.extend_from_slice(&log.bytes[log.blocks[6]..]);
        match read(&bytes).end {
            Err(LogError::Damaged { offset, next_valid, .. }) => {
                assert_eq!((offset, next_valid), (cut as u64, (cut + gap) as u64));
            }
            Err(LogError::BlockOrder { .. }) => assert_eq!(gap, 0),
            other => panic!("gap {gap}: {other:?}"),
        }
    }
}

#[test]
fn blocks_dropped_swapped_doubled_or_moved_are_detected() {
    let log = golden_log(1);
    let all: Vec<usize> = (0..log.blocks.len()).collect();
    for block in 0..all.len() - 1 {
        let mut dropped = all.clone();
        dropped.remove(block);
        let mut doubled = all.clone();
        doubled.insert(block, block);
        let mut swapped = all.clone();
        swapped.swap(block, block + 1);
        for order in [dropped, doubled, swapped] {
            let end = read(&rearranged(&log, &order)).end;
            assert!(matches!(end, Err(LogError::BlockOrder { .. })), "{order:?}: {end:?}");
        }
    }
}

#[test]
fn a_block_of_another_log_does_not_fit_even_with_the_right_number() {
    let (log, other) = (golden_log(1), {
        let mut changed = golden_log(1);
        // Another run: its header differs, its blocks have the same numbers and sizes.
        let (_, bytes) = LogAssembler::new(&LogHeader { seed: 43, ..header() }).unwrap();
        changed.bytes[..bytes.len()].copy_from_slice(&bytes);
        changed
    });
    let end = read(&other.bytes).end;
    assert!(matches!(end, Err(LogError::BrokenChain { offset }) if offset == log.blocks[0] as u64));
    // Numbers and CRCs made to fit: the chain still breaks, at the block behind.
    let forged = reforged(&log, 5, |header| header.base.0 += 1);
    let end = read(&forged).end;
    assert!(matches!(end, Err(LogError::BrokenChain { offset }) if offset == log.blocks[6] as u64));
    let forged = reforged(&log, 5, |header| header.first_event += 1);
    assert!(matches!(read(&forged).end, Err(LogError::EventIndex { .. })));
    // A forged footer has no successor: the final digest tells.
    let footer = log.blocks.len() - 1;
    let forged = reforged(&log, footer, |header| header.worker.0 += 1);
    let end = read(&forged).end;
    assert!(matches!(end, Ok(Ending::Torn { reason: TearReason::FinalDigest, .. })), "{end:?}");
}

/// What a forger does: every CRC, the chain and the final digest computed anew.
fn rechained(log: &Log, mut bytes: Vec<u8>) -> Vec<u8> {
    let mut previous = LogDigest::from_bytes(&bytes[..log.blocks[0]]);
    let end = bytes.len() - 32;
    for (index, start) in log.blocks.iter().enumerate() {
        let block = &mut bytes[*start..log.blocks.get(index + 1).copied().unwrap_or(end)];
        block[44..76].copy_from_slice(&previous.0);
        let payload_crc = crc_32(&block[80..]).to_le_bytes();
        block[40..44].copy_from_slice(&payload_crc);
        let header_crc = crc_32(&block[..76]).to_le_bytes();
        block[76..80].copy_from_slice(&header_crc);
        previous = LogDigest::from_bytes(block);
    }
    bytes[end..].copy_from_slice(&previous.0);
    bytes
}

#[test]
fn a_log_forged_with_care_reads_clean_but_has_another_digest() {
    let log = golden_log(1);
    let unchanged = rechained(&log, log.bytes.clone());
    assert!(unchanged == log.bytes, "the forger computes what the assembler does");
    let mut bytes = log.bytes.clone();
    bytes[log.blocks[6] - 1] ^= 1;
    let end = read(&rechained(&log, bytes)).end.unwrap();
    assert!(end.digest().is_some_and(|digest| digest != log.digest));
}

#[test]
fn attachments_come_in_pieces_and_must_be_what_they_say() {
    let content: Vec<u8> = (0..150_000u32).map(|n| (n >> 3) as u8).collect();
    let (mut assembler, mut bytes) = LogAssembler::new(&header()).unwrap();
    bytes.extend(assembler.attachment("rows.csv", &content, true).unwrap());
    let (footer, digest) = assembler.footer(&common::facts()).unwrap();
    bytes.extend(footer);
    let log = Log { blocks: common::block_offsets(&bytes), bytes, digest };
    let all = read(&log.bytes);
    assert_eq!(all.end.unwrap().digest(), Some(digest));
    let sizes: Vec<usize> = all.attached.iter().map(|(_, piece)| piece.len()).collect();
    assert_eq!(sizes, [65_536, 65_536, 18_928]);
    assert!(all.attached.into_iter().flat_map(|(_, piece)| piece).eq(content));

    // Payload of the first block: text length and name (12), length (8), digest (32), stored.
    let first = log.blocks[0] + 80;
    for (what, at) in [
        ("content", log.blocks[2] + 99),
        ("length", first + 12),
        ("digest", first + 20),
        ("stored", first + 52),
    ] {
        let mut bytes = log.bytes.clone();
        bytes[at] ^= 1;
        let end = read(&rechained(&log, bytes)).end;
        assert!(matches!(end, Err(LogError::BadAttachment { .. })), "{what}: {end:?}");
    }
    let torn = LogReader::new(&log.bytes[..log.blocks[2] + 5]).unwrap();
    assert_eq!(torn.attachments().len(), 1);
    assert!(matches!(torn.ending(), Some(Ending::Torn { lost_bytes: 5, .. })));
}

#[test]
fn blocks_must_name_a_worker_and_time_must_not_go_back() {
    let log = golden_log(1);
    let forged = reforged(&log, 4, |header| header.worker.0 = 2);
    assert!(matches!(read(&forged).end, Err(LogError::UnknownWorker { .. })));
    let mut times = reforged(&log, 4, |header| header.base.0 = u64::MAX);
    assert!(matches!(read(&times).end, Err(LogError::Decode { .. })));
    // The same in a block that is the last: its successor cannot complain first.
    let last = log.blocks.len() - 2;
    times = reforged(&log, last, |header| header.base.0 = 0);
    assert!(matches!(read(&times).end, Err(LogError::TimeWentBack { .. })));
}

#[test]
fn unknown_blocks_are_skipped_from_0x80_and_errors_below() {
    let log = golden_log(1);
    let last = log.blocks.len() - 2;
    let unknown = reforged(&log, last, |h| h.kind = BlockKind::Unknown(9));
    assert!(matches!(read(&unknown).end, Err(LogError::UnknownBlock { kind: 9, .. })));
    let tear_down = reforged(&log, last, |h| h.phase = Phase::Unknown(3));
    assert!(matches!(read(&tear_down).end, Err(LogError::UnknownPhase { phase: 3, .. })));
    let bytes = reforged(&log, last, |h| h.kind = BlockKind::Skippable(0x80));
    let bytes = &bytes[..*log.blocks.last().unwrap()];
    let mut reader = LogReader::new(bytes).unwrap();
    while reader.next_block().unwrap().is_some() {}
    assert_eq!(reader.skipped_blocks(), 1);
    assert!(matches!(reader.ending(), Some(Ending::Torn { lost_bytes: 0, .. })));
    let late = reforged(&log, last, |h| h.kind = BlockKind::AttachmentData);
    assert!(matches!(read(&late).end, Err(LogError::BadAttachment { .. })));
}

#[test]
fn bytes_behind_the_footer_are_an_error() {
    let log = golden_log(1);
    let mut bytes = log.bytes.clone();
    bytes.push(0);
    let offset = log.bytes.len() as u64;
    assert!(
        matches!(read(&bytes).end, Err(LogError::TrailingBytes { offset: at }) if at == offset)
    );
    bytes.extend_from_slice(&log.bytes);
    assert!(matches!(read(&bytes).end, Err(LogError::TrailingBytes { .. })));
}

#[test]
fn after_an_error_there_is_nothing_more() {
    let log = golden_log(1);
    let mut bytes = log.bytes.clone();
    bytes[log.blocks[5]] ^= 1;
    let mut reader = LogReader::new(&bytes[..]).unwrap();
    while let Ok(Some(_)) = reader.next_block() {}
    assert!(reader.next_block().unwrap().is_none());
    assert!(reader.ending().is_none());
}

fn open_error(bytes: &[u8]) -> LogError {
    match LogReader::new(bytes) {
        Ok(_) => panic!("opened"),
        Err(error) => error,
    }
}

#[test]
fn text_mode_damage_is_recognised() {
    let log = golden_log(1).bytes;
    let to_crlf: Vec<u8> = log
        .iter()
        .flat_map(|byte| if *byte == b'\n' { vec![b'\r', b'\n'] } else { vec![*byte] })
        .collect();
    let to_lf: Vec<u8> = log.iter().copied().filter(|byte| *byte != b'\r').collect();
    let seven_bit: Vec<u8> = log.iter().map(|byte| byte & 0x7F).collect();
    let lossy = String::from_utf8_lossy(&log).into_owned().into_bytes();
    for damaged in [to_crlf, to_lf, seven_bit, lossy] {
        let error = open_error(&damaged);
        assert!(matches!(error, LogError::TextMode), "{error:?}");
        assert!(error.to_string().contains("binary mode"));
    }
    assert!(matches!(open_error(b"GIF89a, not a log"), LogError::NotALog));
    assert!(matches!(open_error(b""), LogError::HeaderTruncated { bytes: 0 }));
}

#[test]
fn later_formats_say_what_they_need() {
    let bytes = golden_log(1).bytes;
    let with = |at: usize, value: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = value;
        let end = 16 + u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
        let crc = crc_32(&bytes[..end]).to_le_bytes();
        bytes[end..end + 4].copy_from_slice(&crc);
        bytes
    };
    let needs_3 = LogError::NewerFormat { version: 2, needs: 3, have: 2 };
    assert_eq!(open_error(&with(10, 3)).to_string(), needs_3.to_string());
    // A later format that this reader may read: the header opens, the chain shows that it was forged.
    assert!(matches!(open_error(&with(8, 3)), LogError::BrokenChain { .. }));
    let older = LogError::OlderFormat { version: 1, have: 2 };
    assert_eq!(open_error(&with(8, 1)).to_string(), older.to_string());
    // A driver that does not exist, no worker, a shard beyond their number.
    assert!(matches!(open_error(&with(30, 9)), LogError::HeaderMalformed { offset: 31 }));
    assert!(matches!(open_error(&with(24, 0)), LogError::Workers { workers: 0 }));
    assert!(matches!(open_error(&with(26, 1)), LogError::HeaderMalformed { offset: 30 }));
    // A flag that a later version may give a meaning.
    assert!(matches!(open_error(&with(34, 4)), LogError::UnknownFlags { flags: 0x0004_0000 }));
}

/// CRC-32 (IEEE 802.3), bit by bit: an independent check of the crate's.
fn crc_32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[test]
fn a_length_field_allocates_nothing_by_itself() {
    let mut bytes = golden_log(1).bytes[..64].to_vec();
    bytes[12..16].copy_from_slice(&(31u32 * 1024 * 1024).to_le_bytes());
    assert!(matches!(open_error(&bytes), LogError::HeaderTruncated { bytes: 64 }));
    bytes[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(open_error(&bytes), LogError::TooLarge { .. }));
}

/// Hands out one byte at a time, with an interruption before each.
struct Trickle<'a>(&'a [u8], bool);

impl std::io::Read for Trickle<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        let count = self.0.len().min(into.len()).min(1);
        into[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

struct Failing<'a>(&'a [u8]);

impl std::io::Read for Failing<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(into)? {
            0 => Err(std::io::ErrorKind::TimedOut.into()),
            count => Ok(count),
        }
    }
}

#[test]
fn how_the_bytes_arrive_does_not_matter_and_a_failing_source_is_no_torn_log() {
    let log = golden_log(1);
    let mut reader = LogReader::new(Trickle(&log.bytes, false)).unwrap();
    let mut events: Vec<Event> = Vec::new();
    while let Some(mut block) = reader.next_block().unwrap() {
        events.extend(block.events().map(|event| event.unwrap().1));
    }
    assert_eq!(events.len(), read(&log.bytes).events.len());
    assert_eq!(reader.ending().unwrap().digest(), Some(log.digest));

    let cut = log.blocks[6];
    let mut reader = LogReader::new(Failing(&log.bytes[..cut])).unwrap();
    let error = loop {
        match reader.next_block() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("ended"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, LogError::Io { offset, .. } if offset == cut as u64));
}
