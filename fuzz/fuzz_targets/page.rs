//! Any bytes as a log: its page. The body is a function of the crate.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| z6_report::fuzzing::fuzz_page(data));
