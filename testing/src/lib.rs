//! What tests that start processes share: children that end with their test, programs found on the
//! PATH, skipped tests that are seen; a shop as a server to test against; the seeds of fuzz targets as
//! inputs; and an allocator that counts.
//!
//! Only tests and the laboratory use this crate. It imports no other crate of the workspace.
//! Reading order: `leash` (how a child is started), `process` (a running child), `skip`, `shop`,
//! `journeys` (scenarios to run against it), `secrecy`, `corpus`, `disk`, `pipe`, `allocator`, and `sys`,
//! other unsafe code.

mod allocator;
mod corpus;
mod disk;
pub mod journeys;
mod leash;
mod pipe;
mod process;
mod secrecy;
mod shop;
mod skip;
mod sys;

pub use allocator::{CountingAllocator, allocations};
pub use corpus::over_corpus;
pub use disk::SmallDisk;
pub use leash::Leash;
pub use pipe::make_pipe;
pub use process::Process;
pub use rustix::process::Signal;
pub use secrecy::{leaks, leaks_in};
pub use shop::Shop;
pub use skip::{find, missing, program_on_path, skip};
