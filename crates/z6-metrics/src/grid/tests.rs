//! The grid against plain sums over all requests.

use proptest::prelude::*;

use super::buckets::{BUCKETS, bucket};
use super::*;

/// A request of a worker, by its instants.
#[derive(Debug, Clone)]
struct Request {
    worker: u16,
    planned: u64,
    sent: u64,
    ended: u64,
    error: Option<ErrorKind>,
}

fn request() -> impl Strategy<Value = Request> {
    let span = prop_oneof![
        4 => 0..60_000_000_000_u64,
        1 => 0..4 * 3_600_000_000_000_u64,
    ];
    let length = prop_oneof![0..5_000_u64, 0..50_000_000_u64, 0..20_000_000_000_u64];
    let error = prop_oneof![
        3 => Just(None),
        1 => Just(Some(ErrorKind::RequestTimeout)),
        1 => Just(Some(ErrorKind::ConnectionReset)),
    ];
    (0..4_u16, span, length.clone(), length, error).prop_map(
        |(worker, planned, late, took, error)| Request {
            worker,
            planned,
            sent: planned + late,
            ended: planned + late + took,
            error,
        },
    )
}

/// Events as (worker, tick, number of the request, whether it ends), in the order of the ticks.
fn events(requests: &[Request]) -> Vec<(u16, u64, usize, bool)> {
    let mut events = Vec::new();
    for (number, request) in requests.iter().enumerate() {
        events.push((request.worker, request.sent, number, false));
        events.push((request.worker, request.ended, number, true));
    }
    events.sort_by_key(|(_, at, number, ends)| (*at, *number, *ends));
    events
}

fn fold(requests: &[Request], events: &[(u16, u64, usize, bool)], end: u64) -> GridFigures {
    let mut grid = Grid::new(4);
    for (worker, at, number, ends) in events {
        let (here, request) = ((WorkerId(*worker), Tick(*at)), &requests[*number]);
        let planned = Tick(request.planned);
        match (ends, request.error) {
            (false, _) => grid.sent(here, planned, at - request.planned),
            (true, None) => grid.succeeded(here, planned, Tick(request.sent)),
            (true, Some(error)) => grid.failed(here, error),
        }
    }
    grid.finish(Tick(end))
}

/// What the grid must be, from the definition.
fn plain(requests: &[Request], end: u64) -> GridFigures {
    let last = requests.iter().map(|one| one.ended).max().unwrap_or(0).max(end.saturating_sub(1));
    let mut column_ns = COLUMN_NS_MIN;
    while last / column_ns >= COLUMNS_MAX as u64 {
        column_ns *= 2;
    }
    let columns = (0..=last / column_ns).map(|number| {
        let (from, to) = (number * column_ns, (number + 1) * column_ns);
        let within = |at: u64| from <= at && at < to;
        let mut column = GridColumn::default();
        let mut buckets = [[0_u64; BUCKETS]; 3];
        for one in requests {
            column.planned += u64::from(within(one.planned));
            if within(one.sent) {
                column.sent += 1;
                let lateness = one.sent - one.planned;
                buckets[2][bucket(lateness)] += 1;
                column.lateness.max_ns = column.lateness.max_ns.max(Some(lateness));
                column.loop_lag_max_ns = column.loop_lag_max_ns.max(lateness);
            }
            if within(one.ended) {
                match one.error {
                    None => {
                        column.succeeded += 1;
                        let (response, service) = (one.ended - one.planned, one.ended - one.sent);
                        buckets[0][bucket(response)] += 1;
                        buckets[1][bucket(service)] += 1;
                        column.response.max_ns = column.response.max_ns.max(Some(response));
                        column.service.max_ns = column.service.max_ns.max(Some(service));
                    }
                    Some(error) => {
                        match column.failed.iter_mut().find(|(kind, _)| *kind == error) {
                            Some((_, count)) => *count += 1,
                            None => column.failed.push((error, 1)),
                        }
                    }
                }
            }
            column.in_flight.integral_ns += one.ended.min(to).saturating_sub(one.sent.max(from));
            column.in_flight.end += u64::from(one.sent < to && one.ended >= to);
        }
        column.failed.sort_by_key(|(kind, _)| kind.code());
        let counts = |buckets: &[u64; BUCKETS]| {
            let used = buckets.iter().enumerate().filter(|(_, count)| **count > 0);
            used.map(|(bucket, count)| (bucket as u8, *count)).collect::<Vec<_>>()
        };
        column.response.counts = counts(&buckets[0]);
        column.service.counts = counts(&buckets[1]);
        column.lateness.counts = counts(&buckets[2]);
        column
    });
    GridFigures { column_ns, columns: columns.collect() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// However requests are spread over workers, and in whatever order these come.
    #[test]
    fn the_grid_is_the_plain_sum(
        requests in prop::collection::vec(request(), 1..40),
        spread in any::<u64>(),
        end in 0..100_000_000_000_u64,
    ) {
        let expected = plain(&requests, end);
        let in_time = events(&requests);
        prop_assert_eq!(&fold(&requests, &in_time, end), &expected);
        let mut by_worker = in_time;
        by_worker.sort_by_key(|(worker, ..)| (u64::from(*worker) ^ spread) % 7);
        prop_assert_eq!(&fold(&requests, &by_worker, end), &expected);
        let mut other = requests;
        for (number, one) in other.iter_mut().enumerate() {
            one.worker = ((spread >> (number % 60)) % 4) as u16;
        }
        prop_assert_eq!(&fold(&other, &events(&other), end), &expected);
    }
}

#[test]
fn quantiles_are_of_their_bucket_and_at_most_the_maximum() {
    let mut grid = Grid::new(1);
    for number in 1..=1_000_u64 {
        let here = (WorkerId(0), Tick(number));
        grid.sent(here, Tick(number), 0);
    }
    for number in 1..=1_000_u64 {
        let here = (WorkerId(0), Tick(number * 10_000));
        grid.succeeded(here, Tick(0), Tick(number));
    }
    let figures = grid.finish(Tick(50_000_000));
    let response = &figures.columns[0].response;
    assert_eq!((response.count(), response.max_ns), (1_000, Some(10_000_000)));
    for (quantile, exact) in [(5_000, 5_000_000_u64), (9_900, 9_900_000), (10_000, 10_000_000)] {
        let found = response.quantile_ns(quantile).unwrap();
        assert!(exact <= found && found <= exact + exact / 8, "{quantile}: {found}");
    }
    assert_eq!(figures.columns[0].lateness.quantile_ns(9_900), Some(0));
    assert_eq!(figures.columns[0].service.quantile_ns(10_000), Some(9_999_000));
}

#[test]
fn samples_tell_of_the_columns_since_the_one_before() {
    let mut grid = Grid::new(1);
    let second = |number: u64| (WorkerId(0), Tick(number * 1_000_000_000));
    let sample = |cpu_ms: u64, pass: u64| Sample {
        thread_cpu_ns: cpu_ms * 1_000_000,
        loop_pass_max_ns: pass,
        ..Sample::default()
    };
    grid.sample(second(1), &sample(250, 5));
    grid.sample(second(2), &sample(1_000, 7));
    grid.stalled(second(2), 40);
    let figures = grid.finish(Tick(2_500_000_000));
    let shares: Vec<_> = figures.columns.iter().map(|one| one.cpu_fraction).collect();
    assert_eq!(shares.len(), 25);
    assert!(shares[..10].iter().all(|share| *share == Some(0.25)));
    assert!(shares[10..20].iter().all(|share| *share == Some(0.75)));
    assert!(shares[20..].iter().all(Option::is_none));
    assert_eq!(figures.columns[10].loop_pass_max_ns, 7);
    assert_eq!(figures.columns[20].log_stall_ns, 40);
}

/// Each column with four kinds of failure, and counts of two bytes in every bucket of 15 octaves.
#[test]
fn a_grid_takes_at_most_its_memory() {
    let mut grid = Grid::new(1);
    for column in 0..COLUMNS_MAX as u64 {
        let at = Tick(column * COLUMN_NS_MIN + COLUMN_NS_MIN / 2);
        let open = grid.open(WorkerId(0), at);
        let buckets = open.buckets.as_mut().unwrap();
        for histogram in [&mut buckets.response, &mut buckets.service, &mut buckets.lateness] {
            histogram[40..160].fill(1_000);
        }
        for error in &ErrorKind::ALL[..4] {
            grid.failed((WorkerId(0), at), *error);
        }
    }
    grid.settle(0);
    let heap = |column: &Column| {
        let packed = [&column.response, &column.service, &column.lateness];
        packed.iter().map(|one| one.heap_bytes()).sum::<usize>()
            + column.failed.capacity() * size_of::<(ErrorKind, u64)>()
    };
    let bytes = grid.columns.iter().map(heap).sum::<usize>()
        + grid.columns.len() * size_of::<Column>()
        + size_of::<Buckets>();
    assert!(bytes <= 850_000, "{bytes} bytes");
}
