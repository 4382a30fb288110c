//! Text forms of settings: what is read, what is refused, and that canonical text comes back.

use proptest::prelude::*;

use super::*;

fn set(key: &str, value: &str) -> Result<String, ScenarioError> {
    let mut simulation = Simulation::default();
    simulation.set(key, value)?;
    Ok(simulation.setting(key).unwrap())
}

#[test]
fn settings_are_read_and_written_in_canonical_form() {
    for (key, value, canonical) in [
        ("latency", "1ms", "constant:1ms"),
        ("latency", "constant:0.2ms", "constant:200us"),
        ("latency", "0", "constant:0ms"),
        ("latency", "1500 us", "constant:1.5ms"),
        ("latency", "1µs", "constant:1us"),
        ("connect", "uniform:1ms..5ms", "uniform:1ms..5ms"),
        ("service", "exponential:1500ms", "exponential:1.5s"),
        ("service", "log_normal:2ms, 0.50", "log_normal:2ms,0.5"),
        ("service", "bimodal:1ms,50ms,0.01", "bimodal:1ms,50ms,0.01"),
        ("bandwidth_bytes_per_second", "12_500_000", "12500000"),
        ("bandwidth_bytes_per_second", "none", "none"),
        ("servers", "4", "4"),
        ("statuses", "503=0.1, 404=0.01", "404=0.01,503=0.1"),
        ("statuses", "503=0", "none"),
        ("body_bytes", "64..64", "64"),
        ("body_bytes", "0..4096", "0..4096"),
        ("redirects", "0.25", "0.25"),
        ("chunked", "0.50", "0.5"),
        ("keep_alive_requests", "100", "100"),
        ("keep_alive_idle", "5s", "5s"),
        ("fault.reset_in_body", "1", "1"),
    ] {
        assert_eq!(set(key, value).as_deref(), Ok(canonical), "{key} = {value}");
    }
}

#[test]
fn what_is_no_setting_is_refused() {
    let range = |min, max| ScenarioError::SettingRange { min, max };
    for (key, value, error) in [
        ("speed", "1", ScenarioError::UnknownSetting { key: "speed".to_owned() }),
        ("fault.fire", "1", ScenarioError::UnknownFault { name: "fire".to_owned() }),
        ("fault.garbage", "1.1", ScenarioError::ShareAboveOne),
        ("fault.garbage", "-0.1", ScenarioError::Negative),
        ("fault.garbage", "0.0000001", ScenarioError::TooFine { digits: 6 }),
        ("latency", "5", ScenarioError::DurationUnit),
        ("latency", "fast", ScenarioError::DelayForm),
        ("latency", "", ScenarioError::DelayForm),
        ("latency", "normal:5ms", ScenarioError::DelayForm),
        ("latency", "uniform:5ms", ScenarioError::DelayForm),
        ("latency", "uniform:5ms..1ms", ScenarioError::RangeBackwards),
        ("latency", "61m", ScenarioError::DelayTooLong),
        ("latency", "3601s", ScenarioError::DelayTooLong),
        ("service", "log_normal:1ms", ScenarioError::DelayForm),
        ("service", "log_normal:1ms,6", ScenarioError::SigmaTooLarge),
        ("service", "bimodal:1ms,2ms", ScenarioError::DelayForm),
        ("servers", "0", range(1, 1_000_000)),
        ("body_bytes", "9..1", ScenarioError::RangeBackwards),
        ("body_bytes", "16777217", range(0, 16 << 20)),
        ("statuses", "503", ScenarioError::StatusForm),
        ("statuses", "200=0.1", ScenarioError::Status { text: "200".to_owned() }),
        ("statuses", "600=0.1", ScenarioError::Status { text: "600".to_owned() }),
        ("statuses", "503=0.1,503=0.1", ScenarioError::RepeatedStatus { status: 503 }),
        ("statuses", "503=0.9,500=0.2", ScenarioError::ShareAboveOne),
    ] {
        assert_eq!(set(key, value), Err(error), "{key} = {value}");
    }
}

#[test]
fn a_refused_value_changes_nothing() {
    let mut simulation = Simulation::default();
    for key in Simulation::keys() {
        assert!(simulation.set(&key, "?").is_err(), "{key}");
    }
    assert_eq!(simulation, Simulation::default());
}

#[test]
fn the_default_has_no_settings_and_every_key_has_a_value() {
    let calm = Simulation::default();
    assert_eq!(calm.settings(), []);
    for key in Simulation::keys() {
        let value = calm.setting(&key).unwrap();
        assert_eq!(set(&key, &value), Ok(value), "{key}");
    }
    assert_eq!(calm.setting("speed"), None);
}

#[test]
fn faults_have_one_name_and_one_place_each() {
    for (place, kind) in FaultKind::ALL.into_iter().enumerate() {
        assert_eq!(kind.index(), place);
        assert_eq!(FaultKind::from_name(kind.name()), Some(kind));
    }
    assert_eq!(FaultKind::from_name("fire"), None);
}

fn delays() -> impl Strategy<Value = Delay> {
    let ns = || 0..=MAX_DELAY_NS;
    prop_oneof![
        ns().prop_map(|ns| Delay::Constant { ns }),
        (ns(), ns()).prop_map(|(a, b)| Delay::Uniform { low_ns: a.min(b), high_ns: a.max(b) }),
        ns().prop_map(|mean_ns| Delay::Exponential { mean_ns }),
        (ns(), 0..=MAX_SIGMA_MILLIONTHS).prop_map(|(median_ns, sigma_millionths)| {
            Delay::LogNormal { median_ns, sigma_millionths }
        }),
        (ns(), ns(), shares()).prop_map(|(usual_ns, tail_ns, tail)| Delay::Bimodal {
            usual_ns,
            tail_ns,
            tail
        }),
    ]
}

fn shares() -> impl Strategy<Value = Share> {
    (0..=1_000_000_u32).prop_map(|millionths| Share::from_millionths(millionths).unwrap())
}

proptest! {
    #[test]
    fn settings_come_back(
        (connect, latency, service) in (delays(), delays(), delays()),
        bandwidth_bytes_per_second in proptest::option::of(1..=MAX_BANDWIDTH),
        servers in proptest::option::of(1..=MAX_SERVERS),
        statuses in proptest::collection::btree_map(201_u16..=599, 1_u32..=100_000, 0..8),
        (a, b) in (0..=MAX_BODY_BYTES, 0..=MAX_BODY_BYTES),
        (redirects, chunked) in (shares(), shares()),
        keep_alive_requests in proptest::option::of(1_u64..1000),
        (statuses_after_ns, keep_alive_idle_ns) in (
            proptest::option::of(0..=MAX_DELAY_NS),
            proptest::option::of(0..=MAX_DELAY_NS),
        ),
        (max_concurrent_streams, alpn_h2) in (1..=MAX_STREAMS, shares()),
        fault_shares in proptest::collection::vec(shares(), FaultKind::COUNT),
    ) {
        let mut faults = Faults::default();
        for (kind, share) in FaultKind::ALL.into_iter().zip(fault_shares) {
            faults.set(kind, share);
        }
        let share = |millionths| Share::from_millionths(millionths).unwrap();
        let statuses = statuses.into_iter();
        let simulation = Simulation {
            connect,
            latency,
            bandwidth_bytes_per_second,
            service,
            servers,
            statuses: statuses.map(|(status, part)| StatusShare { status, share: share(part) }).collect(),
            statuses_after_ns,
            body_bytes: BodyBytes { min: a.min(b), max: a.max(b) },
            redirects,
            chunked,
            keep_alive_requests,
            keep_alive_idle_ns,
            max_concurrent_streams,
            alpn_h2,
            faults,
        };
        let mut back = Simulation::default();
        for (key, value) in simulation.settings() {
            prop_assert_eq!(back.set(&key, &value), Ok(()));
        }
        prop_assert_eq!(back, simulation);
    }

    #[test]
    fn any_text_is_answered(key in "[a-z_.]{0,24}", value in "\\PC{0,24}") {
        let _ = set(&key, &value);
        for key in Simulation::keys() {
            let _ = set(&key, &value);
        }
    }
}
