//! Any bytes as requests to the built-in target. The body is a function of the crate.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| z6_target::fuzzing::fuzz_target_reader(data));
