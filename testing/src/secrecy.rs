//! Whether bytes that must stay secret stand in a file: as they are, or as some common encoding writes
//! them.

use std::fs;
use std::io;
use std::path::Path;

/// The secrets that a file below `folder` contains, each as `file: form of secret`.
///
/// # Errors
/// If a file cannot be read.
pub fn leaks(folder: &Path, secrets: &[&str]) -> io::Result<Vec<String>> {
    let forms: Vec<_> = secrets.iter().flat_map(|secret| forms(secret)).collect();
    let mut found = Vec::new();
    search(folder, &forms, &mut found)?;
    Ok(found)
}

/// The secrets that `bytes` contain, each as `form of secret`.
#[must_use]
pub fn leaks_in(bytes: &[u8], secrets: &[&str]) -> Vec<String> {
    let forms: Vec<_> = secrets.iter().flat_map(|secret| forms(secret)).collect();
    let found = forms.iter().filter(|form| contains(bytes, &form.bytes));
    found.map(|form| form.name.clone()).collect()
}

struct Form {
    name: String,
    bytes: Vec<u8>,
}

fn search(path: &Path, forms: &[Form], found: &mut Vec<String>) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            search(&entry?.path(), forms, found)?;
        }
        return Ok(());
    }
    let bytes = fs::read(path)?;
    for form in forms.iter().filter(|form| contains(&bytes, &form.bytes)) {
        found.push(format!("{}: {}", path.display(), form.name));
    }
    Ok(())
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(bytes, part).is_some()
}

/// Forms of a secret; those that are the same text are there once.
fn forms(secret: &str) -> Vec<Form> {
    let mut forms: Vec<Form> = Vec::new();
    let mut add = |name: &str, bytes: Vec<u8>| {
        if forms.iter().all(|form| form.bytes != bytes) {
            forms.push(Form { name: format!("{name} of {secret:?}"), bytes });
        }
    };
    add("the bytes", secret.into());
    add("the percent-encoding", percent(secret, "%20", "-._~"));
    add("the form encoding", percent(secret, "+", "-._*"));
    add("the form encoding with ~", percent(secret, "+", "-._~"));
    let json = serde_json::Value::from(secret).to_string();
    let json = &json[1..json.len() - 1];
    add("the JSON text", json.into());
    let ascii = json.chars().map(|char| match char.is_ascii() {
        true => char.to_string(),
        false => {
            char.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
        }
    });
    add("the JSON text in ASCII", ascii.collect::<String>().into());
    for (name, last) in [("the base64", b"+/"), ("the base64url", b"-_")] {
        for offset in 0..3 {
            add(name, base64(secret.as_bytes(), offset, *last));
        }
    }
    add(
        "the hexadecimal digits",
        secret.bytes().flat_map(|b| format!("{b:02x}").into_bytes()).collect(),
    );
    forms
}

fn percent(text: &str, space: &str, plain: &str) -> Vec<u8> {
    let encode = |byte: u8| match char::from(byte) {
        ' ' => space.to_owned(),
        char if char.is_ascii_alphanumeric() || plain.contains(char) => char.to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect::<String>().into()
}

/// The characters of a base64 text (RFC 4648) that depend on `secret` alone, if it stands `offset` bytes
/// behind a multiple of three.
fn base64(secret: &[u8], offset: usize, last: [u8; 2]) -> Vec<u8> {
    let bits: Vec<u8> =
        secret.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)).collect();
    let skipped = [0, 4, 2][offset];
    let characters = bits[skipped..].chunks_exact(6).map(|six| {
        let value = six.iter().fold(0, |value, bit| value << 1 | bit);
        match value {
            0..26 => b'A' + value,
            26..52 => b'a' + value - 26,
            52..62 => b'0' + value - 52,
            62 => last[0],
            _ => last[1],
        }
    });
    characters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_found() {
        let secret = "p/ü \"1\"+";
        for text in [
            "x p/ü \"1\"+ y",
            "a=p%2F%C3%BC%20%221%22%2B&b",
            "a=p%2F%C3%BC+%221%22%2B&b",
            r#"{"a":"p/ü \"1\"+"}"#,
            r#"{"a":"p/\u00fc \"1\"+"}"#,
            // base64 of the secret behind "", "u:" and "me:x:".
            "cC/DvCAiMSIr",
            "dTpwL8O8ICIxIis=",
            "bWU6eDpwL8O8ICIxIis",
            "702fc3bc202231222b",
        ] {
            assert_eq!(leaks_in(text.as_bytes(), &["other", secret]).len(), 1, "{text}");
        }
        for text in ["p/u \"1\"+", "cC/DvCAiMSI", ""] {
            assert!(leaks_in(text.as_bytes(), &[secret]).is_empty(), "{text}");
        }
    }

    #[test]
    fn base64_depends_on_the_place() {
        let whole = |text: &str| base64(text.as_bytes(), 0, *b"+/");
        assert_eq!(whole("Man"), b"TWFu");
        for (offset, before) in ["", "x", "xy"].iter().enumerate() {
            let long = whole(&format!("{before}secret text!xx"));
            assert!(contains(&long, &base64(b"secret text!", offset, *b"+/")), "{offset}");
        }
    }

    #[test]
    fn folders_are_searched_to_the_bottom() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("inner")).unwrap();
        fs::write(folder.path().join("inner/file"), "abc secret").unwrap();
        let found = leaks(folder.path(), &["secret"]).unwrap();
        assert!(found.len() == 1 && found[0].ends_with("inner/file: the bytes of \"secret\""));
        assert_eq!(leaks(folder.path(), &["other"]).unwrap(), [""; 0]);
    }
}
