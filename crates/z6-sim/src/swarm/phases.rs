//! What a generated scenario does before and after the run itself, and what the run has of it. Knows nothing of the load.

use super::dice::Dice;
use super::sketch::Sketch;

const MS: u64 = 1_000_000;

/// A header field: its name and what it says.
pub(super) type Field = (&'static str, &'static str);

/// Set-up and tear-down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PhasesSketch {
    pub(super) setup: Option<PhaseSketch>,
    pub(super) teardown: Option<PhaseSketch>,
    /// Requests of the run itself have what set-up gives in a header field.
    pub(super) is_used: bool,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PhaseSketch {
    /// How often its request is sent.
    pub(super) repeat: u64,
    /// After a failure the next one is sent all the same.
    pub(super) goes_on: bool,
    pub(super) timeout_ns: u64,
}

/// Draws what is done before and after the run: in one of ten cases, of those whose steps are named.
pub(super) fn draw(dice: &mut Dice, sketch: &mut Sketch) {
    if sketch.sequence.is_empty() || !dice.chance(17) {
        return;
    }
    let mut phase = || PhaseSketch {
        repeat: dice.pick(&[1, 1, 2, 3]),
        goes_on: dice.chance(25),
        timeout_ns: dice.skewed(20 * MS, 2_000 * MS),
    };
    let (setup, teardown) = (phase(), phase());
    let which = dice.between(0, 5);
    sketch.phases = Some(PhasesSketch {
        setup: Some(setup).filter(|_| which != 0),
        teardown: Some(teardown).filter(|_| which != 1),
        is_used: dice.chance(60),
    });
}

impl PhasesSketch {
    /// The header field that requests of the run itself have because of set-up.
    pub(super) fn header(&self) -> Option<Field> {
        self.run_values().filter(|_| self.is_used)
    }

    fn run_values(&self) -> Option<Field> {
        self.setup.map(|_| ("X-Run", "{{run.token}} {{run.number}}"))
    }

    /// The tables of the scenario, and the requests that they name. `timeout`: the line of a request.
    pub(super) fn tables(&self, timeout: &str) -> String {
        let mut text = String::new();
        for (name, phase) in [("setup", self.setup), ("teardown", self.teardown)] {
            let Some(PhaseSketch { repeat, goes_on, timeout_ns }) = phase else { continue };
            let (whole, rest) = (timeout_ns / 1_000_000_000, timeout_ns % 1_000_000_000);
            let end = if goes_on { ", on_failure = \"continue\"" } else { "" };
            text += &format!(
                "\n[{name}]\nsequence = \"{name}\"\ntimeout_seconds = {whole}.{rest:09}\n\
                 \n[[sequences]]\nname = \"{name}\"\n\
                 steps = [{{ request = \"{name}\", repeat = {repeat}{end} }}]\n"
            );
        }
        if self.setup.is_some() {
            text += &format!(
                "\n[[requests]]\nname = \"setup\"\nmethod = \"POST\"\npath = \"/setup\"\n{timeout}\n\
                 extract.token = {{ json = \"$.run\", secret = true }}\n\
                 extract.number = {{ header = \"X-Number\" }}\n"
            );
        }
        if self.teardown.is_some() {
            let header = self.run_values().map_or_else(String::new, |(name, value)| {
                format!("headers = {{ {name} = \"{value}\" }}\n")
            });
            text += &format!(
                "\n[[requests]]\nname = \"teardown\"\nmethod = \"DELETE\"\npath = \"/teardown\"\n\
                 {header}{timeout}\n"
            );
        }
        text
    }
}
