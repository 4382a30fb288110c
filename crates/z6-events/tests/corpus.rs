//! Writes the seeds of the fuzz targets over logs and blocks.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

mod common;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");

/// Writes the corpus: `cargo test -p z6-events --test corpus` with Z6_BLESS_FORMAT set.
#[test]
#[allow(clippy::disallowed_methods, reason = "writes the corpus")]
fn write_the_corpus() {
    if std::env::var_os("Z6_BLESS_FORMAT").is_none() {
        return;
    }
    let log = common::golden_log(1);
    let write =
        |name: &str, bytes: &[u8]| std::fs::write(format!("{CORPUS}/{name}"), bytes).unwrap();
    write("log_reader/whole", &log.bytes);
    write("log_reader/cut_in_block", &log.bytes[..log.blocks[5] + 100]);
    write("log_reader/cut_in_header", &log.bytes[..50]);
    write("log_reader/trailing", &[&log.bytes[..], b"x"].concat());
    for (name, at) in [("header", 20), ("attachment", log.blocks[0] + 85), ("mid", log.blocks[5])] {
        let mut bytes = log.bytes.clone();
        bytes[at] ^= 0x10;
        write(&format!("log_reader/flipped_{name}"), &bytes);
    }
    let mut long = log.bytes[..64].to_vec();
    long[12..16].copy_from_slice(&(31u32 << 20).to_le_bytes());
    write("log_reader/long_header", &long);

    let prefix = [0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for (index, pair) in log.blocks.windows(2).enumerate().skip(4) {
        let payload = &log.bytes[pair[0] + 80..pair[1]];
        write(&format!("block_decoder/golden_{index}"), &[&prefix[..], payload].concat());
    }
    let unknown = [&prefix[..], &[0x80, 2, 1, 1, 0x04, 0xFF, 0, 0x30]].concat();
    write("block_decoder/skipped_then_unknown", &unknown);
    let far_slot = [&prefix[..], &[0x17, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0x02, 0xFF, 0xFF, 0x0F, 0]];
    write("block_decoder/far_slots", &far_slot.concat());
    write("block_decoder/long_number", &[&prefix[..], &[0x21], &[0xFF; 12]].concat());
}
