//! From samples to a table: medians, and medians of the ratios within each round.

use super::Contender;
use super::clients::Client;
use super::process::Ran;

/// One run of one contender.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// User and system time of the client per answered request, microseconds.
    cpu_us: f64,
    requests_per_second: f64,
    peak_rss_bytes: u64,
    /// Bytes of event log per answered request, if there is one.
    log_bytes: Option<f64>,
}

impl Sample {
    pub(crate) fn new(ran: &Ran, answered: u64, seconds: f64, log_bytes: Option<u64>) -> Sample {
        let answered = answered as f64;
        Sample {
            cpu_us: ran.cpu.as_secs_f64() * 1e6 / answered,
            requests_per_second: answered / seconds,
            peak_rss_bytes: ran.peak_rss_bytes,
            log_bytes: log_bytes.map(|bytes| bytes as f64 / answered),
        }
    }
}

/// All runs of a table, by contender.
#[derive(Debug)]
pub(crate) struct Samples {
    lines: Vec<(Contender, Vec<Sample>)>,
}

impl Samples {
    pub(crate) fn new(contenders: &[Contender]) -> Samples {
        Samples { lines: contenders.iter().map(|contender| (*contender, Vec::new())).collect() }
    }

    /// The next round of contender `i`.
    pub(crate) fn add(&mut self, i: usize, sample: Sample) {
        self.lines[i].1.push(sample);
    }

    /// The table, a line per contender that was measured.
    pub(crate) fn markdown(&self) -> String {
        let place = |client: &Client| self.lines.iter().position(|(c, _)| c.client == *client);
        let mut references: Vec<usize> =
            [Client::Raw, Client::Wrk].iter().filter_map(place).collect();
        if references.is_empty() && self.lines.len() > 1 {
            references.push(0);
        }
        let mut text = String::from("| client | CPU us/request |");
        for &i in &references {
            text.push_str(&format!(" x {} |", name(&self.lines[i].0)));
        }
        text.push_str(" requests/s | peak RSS MB | log B/request |\n|---|---:|");
        text.push_str(&"---:|".repeat(references.len() + 3));
        text.push('\n');
        for (contender, samples) in &self.lines {
            if !samples.is_empty() {
                text.push_str(&self.line(contender, samples, &references));
            }
        }
        text
    }

    fn line(&self, contender: &Contender, samples: &[Sample], references: &[usize]) -> String {
        let of = |figure: fn(&Sample) -> f64| median(samples.iter().map(figure).collect());
        let mut text = format!("| {} | {:.2} |", name(contender), of(|sample| sample.cpu_us));
        for &i in references {
            text.push_str(&format!(" {} |", cost_ratio(samples, &self.lines[i].1)));
        }
        let log = match samples[0].log_bytes {
            Some(_) => format!("{:.1}", of(|sample| sample.log_bytes.unwrap_or(0.0))),
            None => "-".to_owned(),
        };
        text.push_str(&format!(
            " {:.0} | {:.1} | {log} |\n",
            of(|sample| sample.requests_per_second),
            of(|sample| sample.peak_rss_bytes as f64) / 1e6,
        ));
        text
    }
}

fn name(contender: &Contender) -> String {
    let name = contender.client.name();
    match contender.threads {
        1 => name.to_owned(),
        threads => format!("{name}, {threads} threads"),
    }
}

/// The median over rounds of the cost of a request relative to that of the other in the same round; a dash
/// if rounds are missing.
fn cost_ratio(samples: &[Sample], other: &[Sample]) -> String {
    if samples.len() != other.len() {
        return "-".to_owned();
    }
    let ratios = samples.iter().zip(other).map(|(one, other)| one.cpu_us / other.cpu_us);
    format!("{:.3}", median(ratios.collect()))
}

/// The median; of an even number of values, the mean of the two in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(cpu_us: f64, log_bytes: Option<f64>) -> Sample {
        Sample { cpu_us, requests_per_second: 1e5, peak_rss_bytes: 5_000_000, log_bytes }
    }

    fn contender(client: Client, threads: u32) -> Contender {
        Contender { client, threads }
    }

    #[test]
    fn ratios_are_taken_within_rounds() {
        let mut samples = Samples::new(&[contender(Client::Wrk, 1), contender(Client::Z6, 1)]);
        // The machine slows down by half in the second round, for both.
        for (wrk, z6) in [(8.0, 6.0), (12.0, 9.0), (8.0, 10.0)] {
            samples.add(0, sample(wrk, None));
            samples.add(1, sample(z6, Some(10.0)));
        }
        let expected = "\
| client | CPU us/request | x wrk | requests/s | peak RSS MB | log B/request |
|---|---:|---:|---:|---:|---:|
| wrk | 8.00 | 1.000 | 100000 | 5.0 | - |
| z6 | 9.00 | 0.750 | 100000 | 5.0 | 10.0 |
";
        assert_eq!(samples.markdown(), expected);
    }

    #[test]
    fn who_missed_a_round_has_no_ratio_and_who_missed_all_no_line() {
        let lines =
            [contender(Client::Wrk, 1), contender(Client::Ab, 1), contender(Client::H2load, 2)];
        let mut samples = Samples::new(&lines);
        samples.add(0, sample(8.0, None));
        samples.add(0, sample(8.0, None));
        samples.add(2, sample(8.0, None));
        let text = samples.markdown();
        assert!(text.contains("| h2load, 2 threads | 8.00 | - |"), "{text}");
        assert!(!text.contains("| ab |"), "{text}");
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(vec![4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!(median(Vec::new()).is_nan());
    }
}
