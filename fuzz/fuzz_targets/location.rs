//! Any bytes as a path and a `Location`. The body is a function of the crate.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| z6_http::fuzzing::fuzz_location(data));
