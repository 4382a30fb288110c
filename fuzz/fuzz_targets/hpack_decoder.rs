//! Any bytes as header blocks. The body is a function of the crate.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| z6_proto_http2::fuzzing::fuzz_hpack_decoder(data));
