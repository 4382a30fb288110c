//! A client connection and a peer that is a script.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

mod client;
mod frames;
mod lifecycle;
mod limits;
mod messages;
