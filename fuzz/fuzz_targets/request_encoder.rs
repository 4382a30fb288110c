//! Any method, host, path, headers and body as a request. The body is a function of the crate.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| z6_proto_http1::fuzzing::fuzz_request_encoder(data));
