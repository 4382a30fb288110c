//! Any bytes as the payload of a block. The body is a function of the crate.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| z6_events::fuzzing::fuzz_block_decoder(data));
