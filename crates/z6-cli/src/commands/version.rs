//! `z6 version`: prints the versions and build of this binary.

use z6::ENGINE_VERSION;
use z6_events::header::{FORMAT_VERSION, LOWEST_READER_VERSION};

use crate::console;
use crate::exit::Exit;

pub(super) fn version() -> anyhow::Result<Exit> {
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    console::results(&format!(
        "z6 {}\n\
         engine {ENGINE_VERSION}\n\
         event log format {FORMAT_VERSION} (needs a reader of format {LOWEST_READER_VERSION} or later)\n\
         build {profile}\n\
         target {}\n",
        env!("CARGO_PKG_VERSION"),
        env!("Z6_TARGET_TRIPLE"),
    ))?;
    Ok(Exit::Success)
}
