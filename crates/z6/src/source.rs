//! Where a scenario comes from: a text, and the folder its files are relative to.
//!
//! Owns reading from disk, with limits. Knows nothing of what is done with a scenario.

use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use z6_scenario::load::TakePiece;
use z6_scenario::load::limits::MAX_SCENARIO_BYTES;
use z6_scenario::{Files, Loaded, NoFiles, Overrides, Proxy, Scenario};
use z6_vu::regular_file;

use crate::error::Error;

/// Bytes of a data file that are read at once.
const PIECE_BYTES: usize = 256 << 10;

/// The text of a scenario, what to call it, and where the files it names are.
///
/// ```
/// let source = z6::ScenarioSource::from_text("runtime.duration_second = 1");
/// let error = source.load(&z6::Overrides::default()).unwrap_err();
/// assert!(error.to_string().contains("scenario:1:9"), "{error}");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioSource {
    name: String,
    text: String,
    folder: Option<PathBuf>,
    /// Whether the text is for its owner alone.
    is_private: bool,
    /// By target: the proxies of a scenario whose text does not have their passwords.
    proxies: Vec<Option<Proxy>>,
}

impl ScenarioSource {
    /// A text that names no files.
    #[must_use]
    pub fn from_text(text: impl Into<String>) -> ScenarioSource {
        ScenarioSource {
            name: "scenario".to_owned(),
            text: text.into(),
            folder: None,
            is_private: false,
            proxies: Vec::new(),
        }
    }

    /// The text of a scenario, which comes to that scenario again.
    #[cfg(any(feature = "run", feature = "simulate"))]
    pub(crate) fn from_scenario(scenario: &Scenario) -> ScenarioSource {
        let proxies = scenario.targets.iter().map(|target| target.proxy.clone()).collect();
        ScenarioSource { proxies, ..ScenarioSource::from_text(scenario.text.clone()) }
    }

    /// A file; what it names is relative to the folder it is in.
    ///
    /// # Errors
    /// [`Error::ScenarioRead`], [`Error::ScenarioNotUtf8`] and [`Error::ScenarioEncoding`].
    pub fn from_file(path: impl AsRef<Path>) -> Result<ScenarioSource, Error> {
        let path = path.as_ref();
        let failed = |source| Error::ScenarioRead { path: path.to_owned(), source };
        let file = regular_file::open(path).map_err(other_way).map_err(failed)?;
        let is_private = file.metadata().map_or(true, |metadata| is_owners(&metadata));
        let bytes = read_scenario(file).map_err(failed)?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let source = ScenarioSource::from_bytes(path.display().to_string(), bytes)?;
        Ok(ScenarioSource { is_private, ..source.in_folder(folder) })
    }

    /// What `input` holds, up to its end: standard input, say.
    ///
    /// # Errors
    /// [`Error::ScenarioRead`], [`Error::ScenarioNotUtf8`] and [`Error::ScenarioEncoding`].
    pub fn from_reader(name: &str, input: impl Read) -> Result<ScenarioSource, Error> {
        let failed = |source| Error::ScenarioRead { path: PathBuf::from(name), source };
        ScenarioSource::from_bytes(name.to_owned(), read_scenario(input).map_err(failed)?)
    }

    fn from_bytes(name: String, mut bytes: Vec<u8>) -> Result<ScenarioSource, Error> {
        if let Some(encoding) = other_encoding(&bytes) {
            return Err(Error::ScenarioEncoding { name, encoding });
        }
        // A byte order mark in front of UTF-8 says nothing more.
        if bytes.starts_with(b"\xef\xbb\xbf") {
            bytes.drain(..3);
        }
        match String::from_utf8(bytes) {
            Ok(text) => {
                Ok(ScenarioSource { name, is_private: true, ..ScenarioSource::from_text(text) })
            }
            Err(error) => {
                Err(Error::ScenarioNotUtf8 { name, offset: error.utf8_error().valid_up_to() })
            }
        }
    }

    /// The same, with files relative to `folder`.
    #[must_use]
    pub fn in_folder(self, folder: impl Into<PathBuf>) -> ScenarioSource {
        ScenarioSource { folder: Some(folder.into()), ..self }
    }

    /// The file, or what messages call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where relative paths of certificates and keys start: the current directory, without a folder.
    #[cfg(feature = "run")]
    pub(crate) fn folder(&self) -> &Path {
        self.folder.as_deref().unwrap_or(Path::new(""))
    }

    /// Whether what is left of a run is for its owner alone: the scenario, or a body that it names and
    /// logs carry, cannot be read by others. The permissions of what came from a reader are not known, so
    /// that it counts as private; a text in memory does not.
    #[cfg(any(feature = "run", feature = "simulate"))]
    pub(crate) fn is_private(&self, scenario: &Scenario) -> bool {
        let folder = self.folder.as_deref().unwrap_or(Path::new(""));
        let bodies = scenario.requests.iter().filter_map(|r| r.body.as_ref()?.file.as_ref());
        let parts = scenario.files.iter().map(|file| &file.name);
        let mut files = bodies.chain(parts).chain(scenario.values.data.iter().map(|d| &d.file));
        // A file that is gone was read before.
        let is_private = |file| std::fs::metadata(folder.join(file)).is_ok_and(|m| is_owners(&m));
        self.is_private || files.any(is_private)
    }

    /// The text as given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Reads the scenario with everything it names.
    ///
    /// # Errors
    /// [`Error::Scenario`] with all findings.
    pub fn load(&self, overrides: &Overrides) -> Result<Loaded, Error> {
        match &self.folder {
            Some(folder) => self.load_with(&DiskFiles { folder }, overrides),
            None => self.load_with(&NoFolder, overrides),
        }
    }

    pub(crate) fn load_with(
        &self,
        files: &dyn Files,
        overrides: &Overrides,
    ) -> Result<Loaded, Error> {
        let loaded = Scenario::load(&self.text, files, overrides);
        let mut loaded = loaded.map_err(|diagnostics| self.error(diagnostics))?;
        for (target, proxy) in loaded.scenario.targets.iter_mut().zip(&self.proxies) {
            if target.proxy.is_some() && proxy.is_some() {
                target.proxy.clone_from(proxy);
            }
        }
        Ok(loaded)
    }

    pub(crate) fn error(&self, diagnostics: z6_scenario::Diagnostics) -> Error {
        Error::Scenario { name: self.name.clone(), text: self.text.clone(), diagnostics }
    }
}

/// Files on disk; a relative path starts at the scenario's folder.
struct DiskFiles<'a> {
    folder: &'a Path,
}

impl Files for DiskFiles<'_> {
    fn read(&self, path: &str, max_bytes: u64) -> Result<Vec<u8>, String> {
        // Joining an absolute path gives that path.
        let place = self.folder.join(path);
        let reason = match regular_file::read(&place, max_bytes) {
            Ok(bytes) => return Ok(bytes),
            Err(error) => error.to_string(),
        };
        // The caller's message names the file as the scenario does.
        let is_elsewhere = place != Path::new(path);
        Err(if is_elsewhere { format!("{}: {reason}", place.display()) } else { reason })
    }

    fn pieces(&self, path: &str, max_bytes: u64, take: &mut TakePiece<'_>) -> Result<(), String> {
        let place = self.folder.join(path);
        let failed = |error: io::Error| match place == Path::new(path) {
            true => error.to_string(),
            false => format!("{}: {error}", place.display()),
        };
        let mut file = regular_file::open(&place).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        if length > max_bytes {
            return Err(failed(io::Error::other(format!("it holds more than {max_bytes} bytes"))));
        }
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let read = match file.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(error)),
            };
            if take(length, &piece[..read]).is_break() {
                return Ok(());
            }
        }
    }

    fn environment(&self, name: &str) -> Option<String> {
        environment(name)
    }
}

/// A variable of the environment that is set and UTF-8.
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// No files, as for a text in memory.
struct NoFolder;

impl Files for NoFolder {
    fn read(&self, path: &str, max_bytes: u64) -> Result<Vec<u8>, String> {
        NoFiles.read(path, max_bytes)
    }

    fn environment(&self, name: &str) -> Option<String> {
        environment(name)
    }
}

/// The files of a scenario that was read before: loading it again reads no file again.
#[cfg(any(feature = "run", feature = "simulate"))]
pub(crate) struct BodyFiles<'a>(pub(crate) &'a Scenario);

#[cfg(any(feature = "run", feature = "simulate"))]
impl Files for BodyFiles<'_> {
    fn read(&self, path: &str, max_bytes: u64) -> Result<Vec<u8>, String> {
        let mut bodies = self.0.requests.iter().filter_map(|request| request.body.as_ref());
        let body = bodies.find(|body| body.file.as_deref() == Some(path));
        let part = self.0.files.iter().find(|file| file.name == path);
        match body.map(|body| &body.bytes[..]).or(part.map(|file| &file.bytes[..])) {
            None => Err(format!("{path} was not read before")),
            Some(bytes) if bytes.len() as u64 > max_bytes => {
                Err(format!("{path} holds more than {max_bytes} bytes"))
            }
            Some(bytes) => Ok(bytes.to_vec()),
        }
    }

    fn table(&self, data: &str) -> Option<std::sync::Arc<z6_scenario::DataTable>> {
        let data = self.0.values.data.iter().find(|file| file.name == data)?;
        Some(std::sync::Arc::clone(&data.table))
    }
}

/// The encoding of a text that is not UTF-8, by its byte order mark or by the zeros that it has between
/// ASCII characters.
fn other_encoding(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"\xff\xfe\0\0") || bytes.starts_with(b"\0\0\xfe\xff") {
        return Some("UTF-32");
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Some("UTF-16");
    }
    match bytes.first_chunk::<4>()?.map(|byte| byte == 0) {
        [false, true, true, true] | [true, true, true, false] => Some("UTF-32"),
        [false, true, false, true] | [true, false, true, false] => Some("UTF-16"),
        _ => None,
    }
}

/// Whether others have no right to read.
fn is_owners(file: &Metadata) -> bool {
    file.permissions().mode() & 0o004 == 0
}

/// What is no file can still be read, once, from standard input.
fn other_way(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::InvalidInput => {
            io::Error::new(error.kind(), format!("{error} (`-` reads standard input)"))
        }
        _ => error,
    }
}

fn read_scenario(input: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(MAX_SCENARIO_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_SCENARIO_BYTES {
        let message = "a scenario has at most 10 MB";
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

#[cfg(feature = "run")]
#[cfg(test)]
mod tests {
    use super::*;

    const SCENARIO: &str = "runtime.iterations = 1\ntarget.base_url = 'builtin'\n\
        requests = [{ name = 'a', path = '/echo', method = 'POST', body_file = 'body' }]";

    fn folder(body: &[u8]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("scenario.toml"), SCENARIO).unwrap();
        std::fs::write(folder.path().join("body"), body).unwrap();
        folder
    }

    #[test]
    fn files_are_relative_to_the_scenario() {
        let folder = folder(b"content");
        let source = ScenarioSource::from_file(folder.path().join("scenario.toml")).unwrap();
        let scenario = source.load(&Overrides::default()).unwrap().scenario;
        assert_eq!(scenario.requests[0].body.as_ref().unwrap().bytes, b"content");
    }

    #[test]
    fn an_absolute_path_stays() {
        let folder = folder(b"content");
        let files = DiskFiles { folder: Path::new("/nowhere") };
        let path = folder.path().join("body");
        assert_eq!(files.read(path.to_str().unwrap(), 7).unwrap(), b"content");
    }

    #[test]
    fn a_file_over_its_limit_a_missing_one_and_a_directory_are_refused() {
        let folder = folder(b"content");
        let files = DiskFiles { folder: folder.path() };
        assert!(files.read("body", 6).unwrap_err().ends_with(": it holds more than 6 bytes"));
        assert!(files.read("none", 6).unwrap_err().contains("No such file"));
        assert!(files.read(".", 6).unwrap_err().contains("is a directory"));
    }

    #[test]
    fn a_body_is_read_once() {
        let folder = folder(b"content");
        let source = ScenarioSource::from_file(folder.path().join("scenario.toml")).unwrap();
        let first = source.load(&Overrides::default()).unwrap().scenario;
        std::fs::remove_file(folder.path().join("body")).unwrap();
        let again = source.load_with(&BodyFiles(&first), &Overrides::default()).unwrap().scenario;
        assert_eq!(first, again);
    }

    #[test]
    fn what_is_not_utf8_says_where() {
        let error = ScenarioSource::from_reader("-", &b"ab\xffc"[..]).unwrap_err();
        assert!(matches!(error, Error::ScenarioNotUtf8 { offset: 2, .. }), "{error}");
    }

    #[test]
    fn other_encodings_are_named_and_a_mark_before_utf8_is_skipped() {
        let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
        for (bytes, wanted) in [
            (wide("\u{feff}x = 1"), "UTF-16"),
            (big("\u{feff}x = 1"), "UTF-16"),
            (wide("x = 1"), "UTF-16"),
            (big("x = 1"), "UTF-16"),
            (b"\xff\xfe\0\0x\0\0\0".to_vec(), "UTF-32"),
            (b"\0\0\0x\0\0\0=".to_vec(), "UTF-32"),
        ] {
            let error = ScenarioSource::from_reader("-", bytes.as_slice()).unwrap_err();
            let Error::ScenarioEncoding { encoding, .. } = error else { panic!("{error}") };
            assert_eq!(encoding, wanted, "{bytes:?}");
        }
        let marked = format!("\u{feff}{SCENARIO}");
        let source = ScenarioSource::from_reader("-", marked.as_bytes()).unwrap();
        assert_eq!(source.text(), SCENARIO);
    }

    #[test]
    fn more_than_ten_megabytes_are_not_read() {
        let error = ScenarioSource::from_reader("-", io::repeat(b' ')).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("at most 10 MB"), "{error}: {cause}");
    }
}
