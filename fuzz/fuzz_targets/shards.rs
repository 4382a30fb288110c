//! Any two logs as shards of one run. The body is a function of the crate.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| z6_analysis::fuzzing::fuzz_shards(data));
