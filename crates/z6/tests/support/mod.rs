//! What tests of whole runs share: a server that does what a script says, byte by byte, and the data
//! files that hold scripts and outcomes.

pub mod cases;
pub mod fault_server;
