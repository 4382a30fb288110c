//! Any text as a base URL. The body is a function of the crate.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| z6_scenario::fuzzing::fuzz_base_url(data));
