//! The seeds of a fuzz target as inputs of a test.

/// Runs `body` over every file of `tests/corpus/<folder>` below the package in `package`, and over every
/// beginning of each.
///
/// # Panics
/// If the folder cannot be read or is empty.
pub fn over_corpus(package: &str, folder: &str, body: fn(&[u8])) {
    let folder = format!("{package}/tests/corpus/{folder}");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut files = 0;
    for entry in entries {
        let path = entry.unwrap_or_else(|error| panic!("{folder}: {error}")).path();
        let data =
            std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        body(&data);
        (0..data.len()).for_each(|end| body(&data[..end]));
        files += 1;
    }
    assert!(files > 0, "{folder} is empty");
}
