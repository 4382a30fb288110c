//! Planned values: rows of data files and values made up, by arithmetic on seed, name, actor and place.
//!
//! The same for any number of workers, since no draw depends on another. Part of the derivation: frozen
//! with golden vectors, like [`crate::random`].

mod drawn;
mod instant;
mod permutation;
mod random_value;
mod rows;
mod words;

use sha2::{Digest as _, Sha256};

pub use drawn::DrawnPosition;
pub use instant::push_rfc3339_ms;
pub use permutation::Permutation;
pub use random_value::{Made, MadeBy, Moment};
pub use rows::{Deal, Draw, Order, Per, Rows};

/// A number for a name: the first eight bytes, little endian, of the SHA-256 of kind, NUL and name. So a
/// further name moves none of the others.
pub(crate) fn name_number(kind: &[u8], name: &str) -> u64 {
    let digest = Sha256::new().chain_update(kind).chain_update([0]).chain_update(name).finalize();
    digest.iter().take(8).rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
