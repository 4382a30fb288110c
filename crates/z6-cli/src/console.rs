//! What is said, and where: results to standard output, everything else to standard error. Colours
//! only where there is a terminal and nobody objects.

use std::io::{self, Write};

use anstream::ColorChoice;
use anstyle::{AnsiColor, Style};
use z6::Diagnostics;

/// How much is said beside results and errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Voice {
    /// Nothing.
    Quiet,
    /// What one wants to know.
    Normal,
    /// More.
    Verbose,
}

/// Turns colours off for good.
pub(crate) fn no_color() {
    ColorChoice::Never.write_global();
}

/// Results: to standard output, whole. A reader that went away wanted no more of them.
///
/// # Errors
/// What the system says.
pub(crate) fn results(text: &str) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// A line on standard error.
pub(crate) fn plain(text: &str) {
    // There is nowhere to say that nothing can be said.
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// An error on standard error.
pub(crate) fn error(text: &str) {
    let style = AnsiColor::Red.on_default().bold();
    labelled("error", style, text);
}

/// A warning on standard error.
pub(crate) fn warning(text: &str) {
    let style = AnsiColor::Yellow.on_default().bold();
    labelled("warning", style, text);
}

fn labelled(label: &str, style: Style, text: &str) {
    plain(&format!("{style}{label}{style:#}: {text}"));
}

/// Findings about a scenario, each with its place and a hint.
pub(crate) fn findings(findings: &Diagnostics, name: &str, text: &str) {
    if !findings.is_empty() {
        plain(findings.render(name, text, true).trim_end());
    }
}

/// An error that ends the command.
pub(crate) fn failure(failure: &anyhow::Error) {
    match failure.downcast_ref::<z6::Error>() {
        Some(z6::Error::Scenario { name, text, diagnostics }) => {
            findings(diagnostics, name, text);
            plain("");
            error(&format!("{name} cannot be run: {}", counted(diagnostics)));
        }
        // Each error says in its own words what is behind it.
        _ => error(&failure.to_string()),
    }
}

fn counted(diagnostics: &Diagnostics) -> String {
    let errors = diagnostics
        .list
        .iter()
        .filter(|finding| finding.severity == z6::z6_scenario::Severity::Error)
        .count();
    if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") }
}
