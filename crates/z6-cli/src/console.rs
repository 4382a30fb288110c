//! Output: results go to standard output, everything else to standard error. Colors are used only on
//! a terminal, and not if the user turned them off.
//!
//! Text on standard error may come from anywhere and is made printable here. Results are printable where they
//! are formatted, because they contain colors and are also written to files.

use std::io::{self, Write};

use anstream::ColorChoice;
use anstyle::{AnsiColor, Style};
use z6::Diagnostics;
use z6_events::{printable, printable_lines};

use crate::exit::UsageError;
use crate::words;

/// How much is printed besides results and errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    /// Nothing: `--quiet`.
    Quiet,
    /// What runs, warnings, progress, where the results are.
    Normal,
    /// Also the whole scenario and the resolved addresses: `--verbose`.
    Verbose,
}

/// Turns colors off for the rest of the process.
pub(crate) fn no_color() {
    ColorChoice::Never.write_global();
}

/// Standard output for results that are written piece by piece. Its errors say what could not be written.
#[derive(Debug)]
pub(crate) struct Stdout(io::StdoutLock<'static>);

/// Locks standard output.
pub(crate) fn stdout() -> Stdout {
    Stdout(io::stdout().lock())
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(stdout_failed)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(stdout_failed)
    }
}

/// Standard output for one writer that may change its thread.
#[cfg(feature = "parquet")]
#[derive(Debug)]
pub(crate) struct UnlockedStdout(io::Stdout);

/// Standard output, not locked.
#[cfg(feature = "parquet")]
pub(crate) fn unlocked_stdout() -> UnlockedStdout {
    UnlockedStdout(io::stdout())
}

#[cfg(feature = "parquet")]
impl Write for UnlockedStdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(stdout_failed)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(stdout_failed)
    }
}

/// The same error, naming standard output.
pub(crate) fn stdout_failed(error: io::Error) -> io::Error {
    match error.kind() {
        // To be tried again, by those who look at the kind.
        io::ErrorKind::Interrupted => error,
        kind => io::Error::new(kind, format!("standard output: {error}")),
    }
}

/// Writes results to standard output. A broken pipe is not an error: the reader has seen enough.
///
/// # Errors
/// Any other I/O error.
pub(crate) fn results(text: &str) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(stdout_failed),
    }
}

/// How results for people are printed: as wide as the terminal, in 80 columns elsewhere. Colors are removed by
/// [`results`] unless standard output is a terminal.
pub(crate) fn results_style() -> z6_metrics::Style {
    let terminal = terminal_size::terminal_size_of(io::stdout());
    let style = z6_metrics::Style::colored();
    terminal.map_or(style, |(columns, _)| style.with_columns(columns.0))
}

/// Whether a stream takes colors: a terminal does, unless the user turned them off.
pub(crate) fn has_colors(stream: &impl anstream::stream::RawStream) -> bool {
    anstream::AutoStream::choice(stream) != ColorChoice::Never
}

/// Writes a line to standard error.
pub(crate) fn plain(text: &str) {
    put(&printable(text));
}

/// Writes a command to a build server to standard error: one line, escaped by its maker.
pub(crate) fn command(line: &str) {
    put(line);
}

/// Writes lines to standard error.
pub(crate) fn lines(text: &str) {
    put(&printable_lines(text.trim_end()));
}

/// Writes an error to standard error.
pub(crate) fn error(text: &str) {
    labelled("error", ERROR, &printable(text));
}

/// Writes an error of several lines to standard error.
pub(crate) fn error_lines(text: &str) {
    labelled("error", ERROR, &printable_lines(text.trim_end()));
}

/// Writes a warning to standard error.
pub(crate) fn warning(text: &str) {
    let style = AnsiColor::Yellow.on_default().bold();
    labelled("warning", style, &printable(text));
}

const ERROR: Style = AnsiColor::Red.on_default().bold();

fn labelled(label: &str, style: Style, text: &str) {
    put(&format!("{style}{label}{style:#}: {text}"));
}

fn put(text: &str) {
    // If standard error cannot be written, there is no other place to report it.
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Writes what is wrong with the arguments to standard error, or help to standard output.
///
/// # Errors
/// Help could not be written.
pub(crate) fn arguments(error: &clap::Error) -> io::Result<()> {
    // Arguments in the text are printable only if it was made from printable ones.
    let shown =
        std::env::args_os().map(|argument| printable(&argument.to_string_lossy()).into_owned());
    let again = words::parse(shown.map(Into::into)).err();
    let printed = match again.filter(|again| again.kind() == error.kind()) {
        Some(again) => again.print(),
        None => {
            lines(&error.to_string());
            Ok(())
        }
    };
    // If standard error cannot be written, there is no other place to report it.
    if error.use_stderr() { Ok(()) } else { printed.map_err(stdout_failed) }
}

/// Writes the findings about a scenario to standard error, each with its location and a hint.
pub(crate) fn findings(findings: &Diagnostics, name: &str, text: &str) {
    if !findings.is_empty() {
        put(findings.render(name, text, true).trim_end());
    }
}

/// Writes the error that ended a command to standard error.
pub(crate) fn failure(failure: &anyhow::Error) {
    match failure.downcast_ref::<z6::Error>() {
        Some(z6::Error::Scenario { name, text, diagnostics }) => {
            findings(diagnostics, name, text);
            plain("");
            error(&format!("{name} cannot be run: {}", error_count(diagnostics)));
        }
        _ if failure.is::<UsageError>() => error_lines(&failure.to_string()),
        // With its causes.
        _ => error(&format!("{failure:#}")),
    }
}

fn error_count(diagnostics: &Diagnostics) -> String {
    let errors = diagnostics
        .list
        .iter()
        .filter(|finding| finding.severity == z6_scenario::Severity::Error)
        .count();
    if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") }
}
