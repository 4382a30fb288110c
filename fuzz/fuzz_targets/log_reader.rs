//! Any bytes as an event log. The body is a function of the crate.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| z6_events::fuzzing::fuzz_log_reader(data));
