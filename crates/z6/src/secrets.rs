//! The secrets of a run: given by the program that embeds it, or read from the environment or from files.

use std::fmt;
use std::path::Path;

use z6_scenario::{Scenario, Secret, SecretSource};
use z6_vu::session::Given;
use z6_vu::{Secrets, regular_file};

use crate::error::Error;
use crate::seed::draw_key;

/// Most bytes of a secret: 64 KiB.
pub(crate) const MAX_SECRET_BYTES: u64 = 64 << 10;

/// Values of secrets by name, in place of those that the scenario says where to find. Never shown.
#[derive(Default)]
pub(crate) struct Known(Vec<(String, Vec<u8>)>);

impl Known {
    /// Adds a value; the first one of a name counts.
    pub(crate) fn add(&mut self, name: &str, value: Vec<u8>) {
        self.0.push((name.to_owned(), value));
    }

    fn value(&self, name: &str) -> Option<Vec<u8>> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// What a real run is given besides its scenario: the bytes of its secrets, and a key for digests that is
/// drawn for it. Relative paths start at `folder`.
///
/// # Errors
/// [`Error::Secret`] for the first secret that is not set or empty.
pub(crate) fn given(scenario: &Scenario, folder: &Path, known: &Known) -> Result<Given, Error> {
    let value = |secret: &Secret| match known.value(&secret.name) {
        Some(value) if value.is_empty() => {
            let reason = "the value that was given is empty".to_owned();
            Err(Error::Secret { name: secret.name.clone(), reason })
        }
        Some(value) => Ok(value),
        None => read(secret, folder),
    };
    let secrets = scenario.values.secrets.iter();
    let bytes: Vec<Vec<u8>> = secrets.map(value).collect::<Result<_, _>>()?;
    Ok(Given { secrets: Secrets::new(bytes), digest_key: draw_key()? })
}

fn read(secret: &Secret, folder: &Path) -> Result<Vec<u8>, Error> {
    let wrong = |reason: String| Error::Secret { name: secret.name.clone(), reason };
    let bytes = match &secret.from {
        SecretSource::Environment(variable) => {
            use std::os::unix::ffi::OsStringExt as _;
            let value = std::env::var_os(variable);
            value.ok_or_else(|| wrong(format!("{variable} is not set")))?.into_vec()
        }
        SecretSource::File(path) => {
            let place = folder.join(path);
            let read = regular_file::read(&place, MAX_SECRET_BYTES);
            let mut bytes = read.map_err(|error| wrong(format!("{}: {error}", place.display())))?;
            if bytes.last() == Some(&b'\n') {
                bytes.pop();
                if bytes.last() == Some(&b'\r') {
                    bytes.pop();
                }
            }
            bytes
        }
    };
    match (bytes.is_empty(), &secret.from) {
        (false, _) => Ok(bytes),
        (true, SecretSource::Environment(variable)) => Err(wrong(format!("{variable} is empty"))),
        (true, SecretSource::File(path)) => Err(wrong(format!("{path} is empty"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(from: SecretSource) -> Secret {
        Secret { name: "client".to_owned(), from }
    }

    #[test]
    fn a_secret_is_read_from_a_file_without_its_line_end() {
        let folder = tempfile::tempdir().unwrap();
        for (content, bytes) in [
            ("key\n", &b"key"[..]),
            ("key\r\n", b"key"),
            ("k\ne\n\n", b"k\ne\n"),
            (" key", b" key"),
        ] {
            std::fs::write(folder.path().join("s"), content).unwrap();
            let read = read(&secret(SecretSource::File("s".to_owned())), folder.path());
            assert_eq!(read.unwrap(), bytes, "{content:?}");
        }
    }

    #[test]
    fn what_is_missing_or_empty_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("empty"), "\n").unwrap();
        let message = |from| read(&secret(from), folder.path()).unwrap_err().to_string();
        let unset = SecretSource::Environment("Z6_TEST_NO_SUCH_SECRET".to_owned());
        assert_eq!(message(unset), "secret \"client\": Z6_TEST_NO_SUCH_SECRET is not set");
        let empty = SecretSource::File("empty".to_owned());
        assert_eq!(message(empty), "secret \"client\": empty is empty");
        let none = message(SecretSource::File("none".to_owned()));
        assert!(none.starts_with("secret \"client\": ") && none.contains("none: "), "{none}");
    }
}
