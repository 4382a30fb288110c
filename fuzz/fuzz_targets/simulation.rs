//! Any text as settings of the simulated world. The body is a function of the crate.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| z6_scenario::fuzzing::fuzz_simulation(data));
