//! Fields cut out of any bytes, encoded and decoded. The body is a function of the crate.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| z6_proto_http2::fuzzing::fuzz_hpack_round_trip(data));
