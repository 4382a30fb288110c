//! Reading the files that a scenario, an option or the environment names: only regular files, and no
//! more than a limit. A pipe or a terminal could keep Z6 waiting without a word, and a device need
//! never end. Knows nothing of what files hold.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "opens files for the impure crates"
)]

use std::fs::{File, FileType};
use std::io::{self, Read as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

/// Opens a regular file for reading. Nothing else is opened: opening alone can wait, or change something.
///
/// # Errors
/// The system's, or what the path is instead of a regular file.
pub fn open(path: &Path) -> io::Result<File> {
    let kind = std::fs::metadata(path)?.file_type();
    match other_kind(kind) {
        None => File::open(path),
        Some("directory") => Err(io::ErrorKind::IsADirectory.into()),
        Some(what) => {
            let message = format!("it is a {what}, not a regular file");
            Err(io::Error::new(io::ErrorKind::InvalidInput, message))
        }
    }
}

/// The content of a regular file.
///
/// # Errors
/// As [`open`], and `FileTooLarge` for more than `max_bytes`.
pub fn read(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        let message = format!("it holds more than {max_bytes} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

/// What is not a regular file, in words.
fn other_kind(kind: FileType) -> Option<&'static str> {
    match kind {
        kind if kind.is_file() => None,
        kind if kind.is_dir() => Some("directory"),
        kind if kind.is_fifo() => Some("pipe"),
        kind if kind.is_socket() => Some("socket"),
        kind if kind.is_char_device() => Some("character device"),
        kind if kind.is_block_device() => Some("block device"),
        _ => Some("special file"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_of_bounded_length_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "content").unwrap();
        assert_eq!(read(&file, 7).unwrap(), b"content");
        let refusal = |path: &Path, max| read(path, max).unwrap_err().to_string();
        assert_eq!(refusal(&file, 6), "it holds more than 6 bytes");
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert_eq!(refusal(&socket, 7), "it is a socket, not a regular file");
        for device in ["/dev/zero", "/dev/ptmx", "/dev/null"] {
            let expected = "it is a character device, not a regular file";
            assert_eq!(refusal(Path::new(device), 7), expected, "{device}");
        }
        assert_eq!(refusal(folder.path(), 7), "is a directory");
        assert!(refusal(&folder.path().join("none"), 7).contains("No such file"));
    }

    #[test]
    fn a_link_stands_for_what_it_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&file, "content").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(read(&link, 7).unwrap(), b"content");
    }
}
