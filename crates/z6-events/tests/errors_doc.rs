//! docs/ERRORS.md lists every error kind with its code, under its group.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "reads a page of the docs")]

use z6_events::{ErrorGroup, ErrorKind};

/// The heading of the table that lists a kind.
fn heading(kind: ErrorKind) -> &'static str {
    if kind.is_of_http2() {
        return "HTTP/2";
    }
    match kind.group() {
        ErrorGroup::Transport => "Connections",
        ErrorGroup::Tls => "TLS",
        ErrorGroup::Protocol => "Violations of HTTP/1.1",
        ErrorGroup::Limit => "Limits",
        ErrorGroup::Timeout => "Timeouts",
        ErrorGroup::Status => "Statuses",
        ErrorGroup::Value => "Values",
    }
}

#[test]
fn every_kind_is_explained_under_its_group_with_its_code() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/ERRORS.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (mut section, mut found) = ("", Vec::new());
    for line in page.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title;
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let ["", kind, code, cause, advice, ""] = cells[..]
            && let Some(name) = kind.strip_prefix('`').and_then(|kind| kind.strip_suffix('`'))
        {
            found.push((section, name, code.parse::<u8>().unwrap(), cause, advice));
        }
    }
    assert_eq!(found.len(), ErrorKind::ALL.len(), "one row for each kind");
    for pair in found.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        assert!(
            before.0 != after.0 || before.2 < after.2,
            "{}: in the order of the codes",
            after.1
        );
    }
    found.sort_by_key(|(_, _, code, _, _)| *code);
    for (kind, (section, name, code, cause, advice)) in ErrorKind::ALL.iter().zip(found) {
        assert_eq!((name, code), (kind.name(), kind.code()));
        assert_eq!(section, heading(*kind), "{name}");
        assert!(cause.ends_with('.'), "{name}: a cause");
        assert!(advice.ends_with('.'), "{name}: what to do");
    }
}
