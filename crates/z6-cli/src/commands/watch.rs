//! `z6 watch`: shows a run in progress, or one that has ended, from its log.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use z6_events::printable;
use z6_metrics::report::openmetrics::Edges;

use crate::args::WatchArgs;
use crate::console;
use crate::exit::{Exit, UsageError};
use crate::log_args;
use crate::signals::Interrupts;
use crate::watch::frame::{State, frame};
use crate::watch::screen::{Pressed, Screen};
use crate::watch::web::{Served, Server, WebOptions};
use crate::watch::{Shown, Watched};

/// Between two looks at the log.
const LOOK: Duration = Duration::from_millis(200);
/// How often the last figures are served before the process ends by itself.
const SCRAPES_AFTER_END: u32 = 2;

pub(super) fn watch(args: WatchArgs) -> anyhow::Result<Exit> {
    let edges = args.edges.resolve()?;
    if let Some(address) = args.metrics {
        let allowed = args.metrics_allow;
        let options = WebOptions { address, allowed, served: Served::Metrics };
        return serve_metrics(&args.logs, &options, &edges);
    }
    if args.edges.is_given() {
        return Err(UsageError("`--edges` needs `--metrics ADDRESS`".to_owned()).into());
    }
    match args.web.resolve() {
        Some(web) => serve(&args.logs, &web),
        None => show(&args.logs),
    }
}

/// Shows a full screen until a key or a signal ends it.
fn show(logs: &[PathBuf]) -> anyhow::Result<Exit> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(UsageError(
            "z6 watch needs a terminal; `--web 127.0.0.1:8080` serves a page instead, and `z6 analyze` prints the \
             figures"
                .to_owned(),
        )
        .into());
    }
    let interrupts = Interrupts::install()?;
    let opened = Watched::open(logs, &interrupts).map_err(log_args::refused)?;
    let Some(mut watched) = opened else { return Ok(Exit::Success) };
    let mut shown = Shown::new(console::has_colors(&std::io::stdout()));
    let mut screen = Screen::enter()?;
    while interrupts.first().is_none() {
        let (columns, rows) = screen.size()?;
        screen.draw(&frame(&watched.view(shown), columns, rows))?;
        match screen.pressed(LOOK)? {
            Pressed::Leave => break,
            Pressed::Key(key) if shown.press(key) => break,
            Pressed::Key(_) | Pressed::Resized => continue,
            Pressed::Nothing => {}
        }
        if !shown.is_frozen() {
            watched.poll().map_err(z6::Error::from)?;
        }
    }
    Ok(Exit::Success)
}

/// Serves the page until a signal ends the process.
fn serve(logs: &[PathBuf], web: &WebOptions) -> anyhow::Result<Exit> {
    let interrupts = Interrupts::install()?;
    let opened = Watched::open(logs, &interrupts).map_err(log_args::refused)?;
    let Some(mut watched) = opened else { return Ok(Exit::Success) };
    let server = Server::start(web)?;
    server.show(watched.html(), watched.state() == State::Ended);
    console::plain(&format!(
        "the page of {} is at http://{}/ until Ctrl-C",
        printable(&watched.label()),
        server.address()
    ));
    while interrupts.first().is_none() {
        if watched.poll().map_err(z6::Error::from)? {
            server.show(watched.html(), watched.state() == State::Ended);
        }
        interrupts.wait(LOOK);
    }
    Ok(Exit::Success)
}

/// Serves the figures until they were scraped twice after the end of the run, or a signal ends the process. The
/// second scrape shows that the counters stand still.
fn serve_metrics(logs: &[PathBuf], options: &WebOptions, edges: &Edges) -> anyhow::Result<Exit> {
    let interrupts = Interrupts::install()?;
    let opened = Watched::open(logs, &interrupts).map_err(log_args::refused)?;
    let Some(mut watched) = opened else { return Ok(Exit::Success) };
    let server = Server::start(options)?;
    server.show(watched.openmetrics(edges), watched.state() == State::Ended);
    console::plain(&format!(
        "the figures of {} are at http://{}/metrics until two scrapes after the end of the run, or Ctrl-C",
        printable(&watched.label()),
        server.address()
    ));
    while interrupts.first().is_none() && server.taken() < SCRAPES_AFTER_END {
        if watched.poll().map_err(z6::Error::from)? {
            server.show(watched.openmetrics(edges), watched.state() == State::Ended);
        }
        interrupts.wait(LOOK);
    }
    Ok(Exit::Success)
}
