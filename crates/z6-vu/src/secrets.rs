//! The bytes of a run's secrets. They are in no scenario, no log and no message: who drives a run gives
//! them.

use std::fmt;
use std::sync::Arc;

use z6_scenario::ValueTable;

/// Bytes of a secret that stands in for one that is not read.
const STAND_IN_BYTES: usize = 16;

/// The bytes of the secrets of a scenario, in its order. Clones share them; they are overwritten when the
/// last one is dropped.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Vec<Zeroed>>);

/// Bytes that are overwritten when they are dropped.
#[derive(Default)]
struct Zeroed(Vec<u8>);

impl Drop for Zeroed {
    fn drop(&mut self) {
        self.0.fill(0);
        // The bytes are looked at, so that overwriting them is not left out.
        std::hint::black_box(&self.0);
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("count", &self.0.len()).finish()
    }
}

impl Secrets {
    /// The secrets with these bytes, in the order of the scenario.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = Vec<u8>>) -> Secrets {
        Secrets(Arc::new(secrets.into_iter().map(Zeroed).collect()))
    }

    /// A fixed text of 16 bytes for each secret, made from its name: where nothing is sent no secret is
    /// read.
    #[must_use]
    pub fn stand_ins(values: &ValueTable) -> Secrets {
        let stand_in = |name: &str| {
            let text = format!("secret-{name}").into_bytes().into_iter();
            text.chain(std::iter::repeat(b'-')).take(STAND_IN_BYTES).collect()
        };
        Secrets::new(values.secrets.iter().map(|secret| stand_in(&secret.name)))
    }

    /// The bytes of the secret with this index; none if there is no such secret.
    #[must_use]
    pub fn bytes(&self, index: u16) -> Option<&[u8]> {
        self.0.get(usize::from(index)).map(|secret| secret.0.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use z6_scenario::{Secret, SecretSource};

    use super::*;

    #[test]
    fn stand_ins_have_16_bytes_and_nothing_is_shown() {
        let secret = |name: &str| Secret {
            name: name.to_owned(),
            from: SecretSource::Environment("X".to_owned()),
        };
        let values = ValueTable {
            secrets: vec![secret("key"), secret("a_very_long_name")],
            ..ValueTable::default()
        };
        let secrets = Secrets::stand_ins(&values);
        assert_eq!(secrets.bytes(0), Some(&b"secret-key------"[..]));
        assert_eq!(secrets.bytes(1), Some(&b"secret-a_very_lo"[..]));
        assert_eq!(secrets.bytes(2), None);
        assert_eq!(format!("{secrets:?}"), "Secrets { count: 2 }");
    }
}
