//! What is changed in a scenario without changing its text, and how a log's header says so.

use std::collections::BTreeMap;
use z6_events::canary::is_planted;

use super::decimal::unscaled;
use crate::error::ScenarioError;
use crate::model::{ArrivalStamps, HttpVersion, Workers};
use crate::simulation::Simulation;

/// The prefix of a parameter.
const PARAM: &str = "param.";
/// The prefix of a setting of the simulated world.
const PREFIX: &str = "simulation.";

/// What the command line or a program changes in a scenario. Logged with the run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overrides {
    /// `--seed`.
    pub seed: Option<u64>,
    /// `--duration`, nanoseconds.
    pub duration_ns: Option<u64>,
    /// `--vus`: fits a constant schedule only.
    pub vus: Option<u32>,
    /// `--workers`.
    pub workers: Option<Workers>,
    /// `--target`: fits a scenario with one target only.
    pub target: Option<String>,
    /// `--http-version`: that of every target.
    pub http_version: Option<HttpVersion>,
    /// `--arrival-stamps`.
    pub arrival_stamps: Option<ArrivalStamps>,
    /// `--param`: names and values of `[parameters]`; a later one of the same name counts. In the header of
    /// a log, all values in force.
    pub params: Vec<(String, String)>,
    /// Settings of the simulated world, as [`Simulation::set`] takes them; a later one of the same
    /// key counts.
    pub simulation: Vec<(String, String)>,
}

impl Overrides {
    /// Whether nothing is changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Overrides::default()
    }

    /// These overrides and, where they leave something unset, those of `earlier`. Settings of the
    /// simulated world are those of both; a later one of the same key counts.
    ///
    /// ```
    /// use z6_scenario::Overrides;
    ///
    /// let seed = Overrides { seed: Some(42), ..Overrides::default() };
    /// let vus = Overrides { vus: Some(5), ..Overrides::default() };
    /// assert_eq!(vus.or(seed), Overrides { seed: Some(42), vus: Some(5), ..Overrides::default() });
    /// ```
    #[must_use]
    pub fn or(self, earlier: Overrides) -> Overrides {
        Overrides {
            seed: self.seed.or(earlier.seed),
            duration_ns: self.duration_ns.or(earlier.duration_ns),
            vus: self.vus.or(earlier.vus),
            workers: self.workers.or(earlier.workers),
            target: self.target.or(earlier.target),
            http_version: self.http_version.or(earlier.http_version),
            arrival_stamps: self.arrival_stamps.or(earlier.arrival_stamps),
            params: earlier.params.into_iter().chain(self.params).collect(),
            simulation: earlier.simulation.into_iter().chain(self.simulation).collect(),
        }
    }

    /// The overrides that are set, as (key, value) for a log's header, in a fixed order.
    /// Numbers are decimal; `duration_seconds` is an exact decimal; `workers` may be `auto`. Settings
    /// of the simulated world have `simulation.` before their key, and their canonical text.
    ///
    /// ```
    /// let overrides = z6_scenario::Overrides { duration_ns: Some(1_500_000_000), ..Default::default() };
    /// assert_eq!(overrides.pairs(), [("duration_seconds".to_owned(), "1.5".to_owned())]);
    /// ```
    #[must_use]
    pub fn pairs(&self) -> Vec<(String, String)> {
        let workers = |workers: Workers| match workers {
            Workers::Auto => "auto".to_owned(),
            Workers::Fixed(count) => count.to_string(),
        };
        let all = [
            ("seed", self.seed.map(|seed| seed.to_string())),
            ("duration_seconds", self.duration_ns.map(|ns| unscaled(ns, 9))),
            ("vus", self.vus.map(|vus| vus.to_string())),
            ("workers", self.workers.map(workers)),
            ("target", self.target.clone()),
            ("http_version", self.http_version.map(|version| version.word().to_owned())),
            ("arrival_stamps", self.arrival_stamps.map(|stamps| stamps.word().to_owned())),
        ];
        let all = all.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        all.chain(self.param_pairs()).chain(self.simulation_pairs()).collect()
    }

    /// Each parameter once, in the order of their names.
    fn param_pairs(&self) -> impl Iterator<Item = (String, String)> {
        let latest: BTreeMap<&String, &String> =
            self.params.iter().map(|(name, value)| (name, value)).collect();
        let pairs: Vec<(String, String)> = latest
            .into_iter()
            .map(|(name, value)| (format!("{PARAM}{name}"), value.clone()))
            .collect();
        pairs.into_iter()
    }

    /// Each setting once, in the order of [`Simulation::keys`]; those that cannot be set last.
    fn simulation_pairs(&self) -> Vec<(String, String)> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (key, value) in &self.simulation {
            let value = canonical(key, value).unwrap_or_else(|| value.clone());
            pairs.retain(|(known, _)| known != key);
            pairs.push((key.clone(), value));
        }
        let place = |key: &str| Simulation::keys().position(|known| known == key);
        pairs.sort_by_key(|(key, _)| place(key).unwrap_or(usize::MAX));
        pairs.into_iter().map(|(key, value)| (format!("{PREFIX}{key}"), value)).collect()
    }

    /// The overrides that [`pairs`](Overrides::pairs) wrote.
    ///
    /// # Errors
    /// [`ScenarioError::UnknownOverride`], [`RepeatedOverride`](ScenarioError::RepeatedOverride), and
    /// [`OverrideValue`](ScenarioError::OverrideValue) for any value that `pairs` would write
    /// differently.
    pub fn from_pairs<K, V>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Overrides, ScenarioError>
    where
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let mut overrides = Overrides::default();
        for (key, value) in pairs {
            let (key, value) = (key.as_ref(), value.as_ref());
            if overrides.pairs().iter().any(|(known, _)| known == key) {
                return Err(ScenarioError::RepeatedOverride { key: key.to_owned() });
            }
            let wrong =
                || ScenarioError::OverrideValue { key: key.to_owned(), value: value.to_owned() };
            match key {
                "seed" => overrides.seed = Some(value.parse().map_err(|_| wrong())?),
                "duration_seconds" => {
                    overrides.duration_ns = Some(super::parse_seconds(value).map_err(|_| wrong())?);
                }
                "vus" => overrides.vus = Some(value.parse().map_err(|_| wrong())?),
                "workers" if value == "auto" => overrides.workers = Some(Workers::Auto),
                "workers" => {
                    let count = value.parse().ok().filter(|count| *count > 0);
                    overrides.workers = Some(Workers::Fixed(count.ok_or_else(wrong)?));
                }
                "target" => overrides.target = Some(value.to_owned()),
                "http_version" => {
                    let version = HttpVersion::from_word(value);
                    overrides.http_version = Some(version.ok_or_else(wrong)?);
                }
                "arrival_stamps" => {
                    let stamps = ArrivalStamps::from_word(value);
                    overrides.arrival_stamps = Some(stamps.ok_or_else(wrong)?);
                }
                _ if key.starts_with(PARAM) => {
                    let name = key[PARAM.len()..].to_owned();
                    overrides.params.push((name, value.to_owned()));
                }
                _ => match key.strip_prefix(PREFIX) {
                    Some(setting) if Simulation::default().setting(setting).is_some() => {
                        overrides.simulation.push((setting.to_owned(), value.to_owned()));
                        if canonical(setting, value).as_deref() != Some(value) {
                            return Err(wrong());
                        }
                    }
                    _ => return Err(ScenarioError::UnknownOverride { key: key.to_owned() }),
                },
            }
            let canonical = overrides.pairs().iter().any(|pair| pair.0 == key && pair.1 == value);
            if !canonical && !is_planted("overrides") {
                return Err(wrong());
            }
        }
        Ok(overrides)
    }
}

/// The one text of a setting's value that is logged.
fn canonical(key: &str, value: &str) -> Option<String> {
    let mut simulation = Simulation::default();
    simulation.set(key, value).ok()?;
    simulation.setting(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pairs_come_back(
            seed: Option<u64>,
            duration_ns: Option<u64>,
            vus: Option<u32>,
            workers in proptest::option::of(prop_oneof![
                Just(Workers::Auto),
                (1..=u16::MAX).prop_map(Workers::Fixed),
            ]),
            target: Option<String>,
            http_version in proptest::option::of(proptest::sample::select(&HttpVersion::ALL[..])),
            arrival_stamps in proptest::option::of(proptest::sample::select(&ArrivalStamps::ALL[..])),
            users in proptest::option::of(".{0,9}"),
            latency_us in proptest::option::of(1_u32..1_000),
        ) {
            let garbage = ("fault.garbage".to_owned(), "0.5".to_owned());
            let simulation = latency_us.into_iter().flat_map(|us| {
                [("latency".to_owned(), format!("constant:{us}us")), garbage.clone()]
            });
            let simulation = simulation.collect();
            let params = users.map(|value| ("users".to_owned(), value)).into_iter().collect();
            let overrides = Overrides {
                seed,
                duration_ns,
                vus,
                workers,
                target,
                http_version,
                arrival_stamps,
                params,
                simulation,
            };
            prop_assert_eq!(Overrides::from_pairs(overrides.pairs()), Ok(overrides));
        }
    }

    #[test]
    fn only_canonical_pairs_are_read() {
        let value = |key: &str, value: &str| {
            Err(ScenarioError::OverrideValue { key: key.to_owned(), value: value.to_owned() })
        };
        for (key, text) in [
            ("seed", "+1"),
            ("seed", "01"),
            ("seed", "-1"),
            ("seed", ""),
            ("duration_seconds", "1.50"),
            ("duration_seconds", "1e3"),
            ("vus", "4294967296"),
            ("workers", "0"),
            ("workers", "Auto"),
            ("http_version", "http3"),
            ("arrival_stamps", "yes"),
            ("simulation.latency", "1ms"),
            ("simulation.latency", "fast"),
            ("simulation.fault.garbage", "0.50"),
        ] {
            assert_eq!(Overrides::from_pairs([(key, text)]), value(key, text));
        }
        let unknown = Err(ScenarioError::UnknownOverride { key: "rate".to_owned() });
        assert_eq!(Overrides::from_pairs([("rate", "1")]), unknown);
        let unknown = Err(ScenarioError::UnknownOverride { key: "simulation.speed".to_owned() });
        assert_eq!(Overrides::from_pairs([("simulation.speed", "1")]), unknown);
        let repeated = Err(ScenarioError::RepeatedOverride { key: "vus".to_owned() });
        assert_eq!(Overrides::from_pairs([("vus", "1"), ("vus", "1")]), repeated);
    }

    #[test]
    fn settings_are_logged_once_in_order_and_in_one_form() {
        let set = [("fault.garbage", "0.10"), ("latency", "1ms"), ("latency", "2ms")];
        let simulation = set.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
        let overrides = Overrides { simulation, ..Overrides::default() };
        let pairs = [("simulation.latency", "constant:2ms"), ("simulation.fault.garbage", "0.1")];
        assert_eq!(overrides.pairs(), pairs.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
}
