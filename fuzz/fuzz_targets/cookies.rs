//! Any bytes as `Set-Cookie` fields. The body is a function of the crate.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| z6_extract::fuzzing::fuzz_cookies(data));
