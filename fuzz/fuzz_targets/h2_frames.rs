//! Any bytes as HTTP/2 frames, whole and split. The body is a function of the crate.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| z6_proto_http2::fuzzing::fuzz_h2_frames(data));
