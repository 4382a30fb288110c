//! The footer: how a run ended. The numbers of blocks and events are in its block header.

use crate::codes::StoppedBy;
use crate::error::LogError;
use crate::header::{number_by_name, put_numbers_by_name};
use crate::ids::Tick;
use crate::wire::Fields;

/// Bytes of the final digest, which follows the footer block.
pub const FINAL_DIGEST_BYTES: usize = 32;

/// What a driver records about the end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FooterFacts {
    /// Why the run ended.
    pub stopped_by: StoppedBy,
    /// The end tick: from here on nothing was planned.
    pub end: Tick,
    /// Totals by name, in the driver's order.
    pub totals: Vec<(String, u64)>,
}

/// The footer as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footer {
    /// What the driver recorded.
    pub facts: FooterFacts,
    /// Blocks before the footer.
    pub blocks: u64,
    /// Events in them.
    pub events: u64,
}

impl FooterFacts {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> Result<(), LogError> {
        out.push(self.stopped_by.code());
        out.extend_from_slice(&self.end.0.to_le_bytes());
        put_numbers_by_name(out, &self.totals)
    }

    pub(crate) fn decode(payload: &[u8]) -> Option<FooterFacts> {
        let mut fields = Fields::new(payload);
        let facts = FooterFacts {
            stopped_by: StoppedBy::from_code(fields.u8()?)?,
            end: Tick(fields.u64()?),
            totals: fields.list(number_by_name)?,
        };
        fields.is_empty().then_some(facts)
    }
}
