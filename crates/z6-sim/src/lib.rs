//! The whole of Z6 on a virtual network: simulated clock, network and server, faults, checkers.
#![forbid(unsafe_code)]

pub mod swarm;
