//! What set-up leaves for the rest of a run: `{{run.NAME}}`.

use std::sync::Arc;

use z6_events::VariableId;

use super::actors::{ActorState, Stored};

/// The values that variables had at the end of set-up. Clones share them; they are overwritten when the last one is
/// dropped.
#[derive(Clone, Default)]
pub struct RunValues(Arc<Vec<Option<Kept>>>);

struct Kept {
    bytes: Vec<u8>,
    is_text: bool,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.bytes.fill(0);
        // The bytes are looked at, so that overwriting them is not left out.
        std::hint::black_box(&self.bytes);
    }
}

impl std::fmt::Debug for RunValues {
    /// How many there are: some may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = self.0.iter().flatten().count();
        f.debug_struct("RunValues").field("count", &count).finish()
    }
}

impl RunValues {
    /// Those of an actor that has `count` variables.
    pub(super) fn of(actor: &ActorState, count: usize) -> RunValues {
        let kept = |index| {
            let Stored { bytes, is_text } = actor.variables.get(index, count)?;
            Some(Kept { bytes: bytes.to_vec(), is_text })
        };
        RunValues(Arc::new((0..count).map(kept).collect()))
    }

    pub(super) fn get(&self, VariableId(id): VariableId) -> Option<Stored<'_>> {
        let kept = self.0.get(usize::from(id))?.as_ref()?;
        Some(Stored { bytes: &kept.bytes, is_text: kept.is_text })
    }
}
