//! Any bytes as a data file. The body is a function of the crate.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| z6_extract::fuzzing::fuzz_rows(data));
