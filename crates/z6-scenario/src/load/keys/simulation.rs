//! The keys of `[simulation]` and `[simulation.faults]`.

use super::{Form, Key, Kind, Table, count, key};
use crate::model::MICRO;
use crate::simulation::{FaultKind, MAX_BANDWIDTH, MAX_SERVERS, MAX_STREAMS};

const fn setting(name: &'static str, form: Form) -> Key {
    key(name, Kind::Setting(form))
}
/// A share of 1, kept in millionths; 0 by default.
const fn share(name: &'static str) -> Key {
    key(name, Kind::Micro { zero: true, max: MICRO }).or(0)
}

pub(crate) static SIMULATION: Table = Table {
    label: "[simulation]",
    keys: &[&[
        setting("connect", Form::Delay).or_words("constant:200us"),
        setting("latency", Form::Delay).or_words("constant:100us"),
        count("bandwidth_bytes_per_second", 1, MAX_BANDWIDTH).or_words("no limit"),
        setting("service", Form::Delay).or_words("exponential:2ms"),
        count("servers", 1, MAX_SERVERS as u64).or_words("no limit"),
        setting("statuses", Form::Statuses).or_words("all 200"),
        setting("statuses_after", Form::Duration).or_words("the start"),
        share("redirects"),
        setting("body_bytes", Form::Bytes).or_words("128"),
        share("chunked"),
        count("keep_alive_requests", 1, i64::MAX as u64).or_words("no limit"),
        setting("keep_alive_idle", Form::Duration).or_words("no limit"),
        count("max_concurrent_streams", 1, MAX_STREAMS as u64).or_words("128"),
        key("alpn_h2", Kind::Micro { zero: true, max: MICRO }).or_words("1"),
        key("faults", Kind::Table(&FAULTS)),
    ]],
    variants: &[],
};

static FAULT_KEYS: [Key; FaultKind::COUNT] = {
    let mut keys = [share(""); FaultKind::COUNT];
    let mut place = 0;
    while place < keys.len() {
        keys[place] = share(FaultKind::ALL[place].name());
        place += 1;
    }
    keys
};

pub(crate) static FAULTS: Table =
    Table { label: "[simulation.faults]", keys: &[&FAULT_KEYS], variants: &[] };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::{SETTINGS, Simulation};

    #[test]
    fn every_setting_is_a_key_with_its_default() {
        let keys: Vec<&str> = SIMULATION.common().map(|key| key.name).collect();
        assert_eq!(keys[..SETTINGS.len()], SETTINGS);
        assert_eq!(keys[SETTINGS.len()..], ["faults"]);
        let calm = Simulation::default();
        for key in SIMULATION.common().filter(|key| key.name != "faults") {
            let default = calm.setting(key.name).unwrap();
            let expected = match (key.default_words, default.as_str()) {
                (Some("no limit" | "all 200" | "the start"), "none") | (None, "0") => continue,
                (words, _) => words,
            };
            assert_eq!(expected, Some(default.as_str()), "{}", key.name);
        }
    }
}
