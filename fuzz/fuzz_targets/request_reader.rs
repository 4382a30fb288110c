//! Any bytes as the requests of a connection, whole and split. The body is a function of the crate.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| z6_proto_http1::fuzzing::fuzz_request_reader(data));
