//! Any bytes as a log: its replay. The body is a function of the crate.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| z6_vu::fuzzing::fuzz_replay(data));
