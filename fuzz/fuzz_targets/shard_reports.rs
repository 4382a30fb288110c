//! Any bytes as the reports of shards. The body is a function of the crate.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| z6_metrics::fuzzing::fuzz_shard_reports(data));
