//! Any text as a list of percentiles. The body is a function of the crate.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| z6_analysis::fuzzing::fuzz_percentiles(data));
