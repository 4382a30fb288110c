//! Any target: the variable `Z6_FUZZ_TARGET` names it, and `Z6_CANARY` a bug to be found.
#![no_main]

libfuzzer_sys::fuzz_target!(init: z6_fuzz::choose(), |data: &[u8]| z6_fuzz::run(data));
