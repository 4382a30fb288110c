//! No allocation per request in steady state: the whole product with the real event loop, counted
//! by the allocator.
#![allow(unsafe_code, reason = "a counting allocator is an unsafe trait")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use z6::{Event, Run, Tick};

mod tls_support;

use tls_support::{Answer, Authority, Server, Setup};

/// The tests of this file take turns: they tell threads by their names.
static TURN: Mutex<()> = Mutex::new(());

const THREADS_MAX: usize = 256;
const REQUESTS: u64 = 100_000;

/// Thread id and number of allocations of each thread that ever allocated.
static THREADS: [(AtomicU64, AtomicU64); THREADS_MAX] =
    [const { (AtomicU64::new(0), AtomicU64::new(0)) }; THREADS_MAX];
static THREADS_SEEN: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static PLACE: Cell<usize> = const { Cell::new(usize::MAX) };
}

struct Counting;

impl Counting {
    fn count() {
        // A thread that is going away has no place any more; it is of no interest.
        let _ = PLACE.try_with(|place| {
            if place.get() == usize::MAX {
                place.set(THREADS_SEEN.fetch_add(1, Ordering::Relaxed) % THREADS_MAX);
                // SAFETY: gettid takes no arguments and cannot fail.
                let id = unsafe { libc::gettid() };
                THREADS[place.get()].0.store(id as u64, Ordering::Relaxed);
            }
            THREADS[place.get()].1.fetch_add(1, Ordering::Relaxed);
        });
    }
}

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Counting::count();
        // SAFETY: the caller's promise is the one that System asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Counting::count();
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Counting::count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations so far by thread name and id.
fn by_thread() -> Vec<(String, u64, u64)> {
    let seen = THREADS_SEEN.load(Ordering::Relaxed);
    assert!(seen <= THREADS_MAX, "more threads than the table holds");
    let name = |id: u64| {
        let comm = std::fs::read_to_string(format!("/proc/self/task/{id}/comm"));
        comm.unwrap_or_default().trim().to_owned()
    };
    let counted = THREADS[..seen].iter().map(|(id, count)| {
        let id = id.load(Ordering::Relaxed);
        (name(id), id, count.load(Ordering::Relaxed))
    });
    counted.collect()
}

const SCENARIO: &str = "
runtime.duration_seconds = 600
runtime.vus = 32
runtime.workers = 2
target.base_url = 'builtin'
requests = [{ name = 'a', path = '/', weight = 3 }, { name = 'b', path = '/bytes/3000' }]
";

/// Allocations during [`REQUESTS`] requests, by name of the thread.
struct Allocated {
    workers: Vec<(String, u64)>,
    writer: Vec<(String, u64)>,
    /// How long these requests took, tenths of a second.
    tenths: u64,
}

impl Allocated {
    /// What grows with the time and not with the requests: the figures that are published each tenth of a second,
    /// the columns of the fold's grid, and what this test itself notes.
    fn assert_writer_allocates_by_time(&self) {
        let Allocated { writer, tenths, .. } = self;
        // On a busy machine up to 117 were seen in a tenth.
        let most = 2_000 + 200 * tenths;
        assert!(
            writer.len() == 1 && writer[0].1 < most,
            "{writer:?} for {REQUESTS} requests in {tenths} tenths of a second"
        );
    }

    fn assert_workers_allocate_nothing(&self) {
        let workers = &self.workers;
        assert_eq!(workers.len(), 2);
        assert!(
            workers.iter().all(|(_, count)| *count == 0),
            "{workers:?} for {REQUESTS} requests"
        );
    }
}

fn allocations(scenario: &str) -> Allocated {
    let snapshots = Arc::new(Mutex::new(Vec::new()));
    let (stop, stopped) = mpsc::channel();
    let (mut done, mut from) = (0u64, None);
    let taken = Arc::clone(&snapshots);
    // The first snapshot after the first second, the other 100,000 requests later.
    let on_event = move |_, at: Tick, event: &Event| {
        if let Event::Done { failure, .. } = event {
            assert_eq!(*failure, None);
            done += 1;
        }
        let due = match from {
            None => at.0 >= 1_000_000_000,
            Some(first) => done == first + REQUESTS,
        };
        if due {
            taken.lock().unwrap().push((at.0 / 100_000_000, by_thread()));
            from = from.or(Some(done));
            let _ = stop.send(());
        }
    };
    let running = Run::from_toml(scenario).unwrap().seed(1).on_event(on_event).start().unwrap();
    stopped.recv().unwrap();
    stopped.recv().unwrap();
    running.handle().stop();
    let finished = running.wait().unwrap();
    assert_eq!(finished.panic, None);

    let snapshots = snapshots.lock().unwrap();
    let [(from, before), (to, after)] = &snapshots[..2] else { panic!("two snapshots were taken") };
    let allocated = |prefix: &str| -> Vec<(String, u64)> {
        let of = |(name, id, count): &(String, u64, u64)| {
            let earlier = before.iter().find(|(_, other, _)| other == id).map_or(0, |b| b.2);
            (name.clone(), count - earlier)
        };
        after.iter().filter(|(name, ..)| name.starts_with(prefix)).map(of).collect()
    };
    Allocated {
        workers: allocated("z6-worker"),
        writer: allocated("z6-log"),
        tenths: to - from + 1,
    }
}

#[test]
fn no_allocation_per_request() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let allocated = allocations(SCENARIO);
    allocated.assert_workers_allocate_nothing();
    allocated.assert_writer_allocates_by_time();
}

/// Values made up, a body filled in, a value out of the response, checks, and a start.
const JOURNEY: &str = r#"
runtime.duration_seconds = 600
runtime.vus = 32
runtime.workers = 2
target.base_url = "builtin"
[random]
sku = { type = "choice", from = ["A-1", "B-2", "C-3"], weights = [6, 3, 1] }
quantity = { type = "integer", min = 1, max = 5 }
ref = { type = "uuid", per = "iteration" }
[[requests]]
name = "login"
method = "POST"
path = "/token"
json = { client = "load-{{vu}}", secret = "none" }
extract.token = { json = "$.access_token", secret = true }
[[requests]]
name = "me"
path = "/api/me?ref={{ref}}"
auth = { bearer = "{{token}}" }
headers = { "X-Ref" = "{{sku}} {{now.unix_ms}}" }
extract.client = { json = "$.client" }
extract.kind = { header = "Content-Type", regex = "^([a-z/]+)" }
checks."mine" = 'json("$.client") == "load-{{vu}}" && status == 200'
[[requests]]
name = "echo"
method = "POST"
path = "/echo"
json = { client = "{{client}}", quantity = "{{quantity}}", kind = "{{kind}}" }
extract.again = { between = ['"client":"', '"'] }
checks."same" = 'json("$.client") == client'
[[sequences]]
name = "sign_in"
steps = [{ request = "login" }]
[sequence]
start = "sign_in"
steps = [{ request = "me" }, { request = "echo", repeat = [1, 3] }]
"#;

#[test]
fn no_allocation_per_request_of_a_journey() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let allocated = allocations(JOURNEY);
    allocated.assert_workers_allocate_nothing();
    allocated.assert_writer_allocates_by_time();
}

/// Over TLS the library makes a buffer for each record: one of a request, one of a response; a few
/// more if a record comes in pieces.
#[test]
fn two_allocations_per_request_over_tls() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let leaf = Authority::root("Trusted").leaf(|_| {});
    let server = Server::start(Setup::new(leaf), Answer::Keep(vec![b'a'; 3_000]));
    let allocated = allocations(&tls_support::scenario(
        server.port,
        "verify_cert = false",
        "duration_seconds = 600\nvus = 8\nworkers = 2",
    ));
    let workers = &allocated.workers;
    let all: u64 = workers.iter().map(|(_, count)| count).sum();
    assert!(all <= REQUESTS * 22 / 10, "{workers:?} for {REQUESTS} requests");
    allocated.assert_writer_allocates_by_time();
}
