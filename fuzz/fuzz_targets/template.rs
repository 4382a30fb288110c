//! Any bytes as the pieces of a template. The body is a function of the crate.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| z6_http::fuzzing::fuzz_template(data));
