//! Random seeds for runs that do not set one.

use std::io;

use crate::error::Error;

/// A seed from the system's entropy, as a run draws one that names none.
///
/// # Errors
/// [`Error::Seed`] if the system gives none.
pub fn draw_seed() -> Result<u64, Error> {
    draw().map_err(Error::Seed)
}

fn draw() -> io::Result<u64> {
    draw_bytes().map(u64::from_le_bytes)
}

/// A key from the system's entropy.
///
/// # Errors
/// [`Error::Seed`] if the system gives none.
#[cfg(feature = "run")]
pub(crate) fn draw_key() -> Result<[u8; 32], Error> {
    draw_bytes().map_err(Error::Seed)
}

fn draw_bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    // A system call: a container of one program may have no /dev.
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn draws_differ() {
        let draws: BTreeSet<u64> = (0..8).map(|_| super::draw().unwrap()).collect();
        assert_eq!(draws.len(), 8);
    }
}
