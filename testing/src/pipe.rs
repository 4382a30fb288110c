//! A named pipe: what a test puts where a file belongs.

use std::io;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode};

/// Makes a named pipe. Without a writer, opening it for reading waits.
///
/// # Errors
/// As mknod(2).
pub fn make_pipe(at: &Path) -> io::Result<()> {
    rustix::fs::mknodat(CWD, at, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    Ok(())
}
