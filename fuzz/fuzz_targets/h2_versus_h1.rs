//! A response over HTTP/2 beside the one over HTTP/1.1. The body is a function of the crate.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| z6_vu::fuzzing::fuzz_h2_versus_h1(data));
