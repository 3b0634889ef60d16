//! Many clients for some time, in a closed loop or at a given rate.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::client::{Answer, Request};
use super::line::{self, Line, Trouble};
use super::process;

/// How long, and how hard.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub clients: u64,
    pub seconds: f64,
    /// Requests a second (open loop): the latency of each counts from the instant at which it was due,
    /// whatever made it late. The timer alone makes it up to a millisecond, for the floor as well.
    /// None: each client sends when it has its answer (closed loop).
    pub rate: Option<f64>,
}

/// What came of it. Rates and latencies are those of good answers: nothing is quicker than to refuse.
pub struct Measured {
    pub requests: u64,
    /// Those whose answer was not a good one, or did not come.
    pub errors: u64,
    /// What the first of them was.
    pub first_error: Option<String>,
    pub seconds: f64,
    /// What the clients took of the processor, where that is known.
    pub cpu_seconds: Option<f64>,
    /// Whether it ended sooner, since there was nothing left to ask for.
    pub is_out_of_stock: bool,
    /// In microseconds.
    pub latencies: Histogram<u64>,
}

impl Measured {
    pub fn new() -> Self {
        Self {
            requests: 0,
            errors: 0,
            first_error: None,
            seconds: 0.0,
            cpu_seconds: None,
            is_out_of_stock: false,
            latencies: Histogram::new_with_bounds(1, 60_000_000, 3)
                .expect("these are sound bounds"),
        }
    }

    /// How many were answered well.
    pub fn good(&self) -> f64 {
        self.requests.saturating_sub(self.errors) as f64
    }

    pub fn per_second(&self) -> f64 {
        self.good() / self.seconds.max(1e-9)
    }

    /// The latency that this share of the good answers did not exceed.
    pub fn millis(&self, share: f64) -> f64 {
        self.latencies.value_at_quantile(share) as f64 / 1_000.0
    }

    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        if self.first_error.is_none() {
            self.first_error.clone_from(&other.first_error);
        }
        self.seconds += other.seconds;
        self.latencies
            .add(&other.latencies)
            .expect("both have the same bounds");
    }

    fn count(&mut self, latency: Duration, trouble: Option<String>) {
        self.requests += 1;
        if trouble.is_some() {
            self.errors += 1;
            self.first_error = self.first_error.take().or(trouble);
            return;
        }
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latencies.saturating_record(micros.max(1));
    }
}

/// Whether an answer is one that counts.
pub type Judge = fn(&Answer<'_>) -> bool;

/// Writes what a client asks for as the nth request of all, and says how to judge the answer; none
/// when there is nothing left to ask for.
pub type Script = Arc<dyn Fn(u64, u64, &mut Request) -> Option<Judge> + Send + Sync>;

/// Any success.
pub fn good(answer: &Answer<'_>) -> bool {
    matches!(answer.status, 200..=299)
}

/// A success that is not the empty list: nothing is quicker than to find nothing.
pub fn full(answer: &Answer<'_>) -> bool {
    good(answer) && answer.body != b"[]"
}

/// Runs clients to their end on one thread of their own: it finds many answers at each waking, and
/// leaves the other cores to the node.
pub fn on_one_thread<T: Send>(clients: impl Future<Output = T> + Send) -> T {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("the system has one more").block_on(clients)
    };
    std::thread::scope(|scope| scope.spawn(run).join().expect("no client panics"))
}

/// Sends what `script` says until the time is over.
pub fn run(address: &str, script: &Script, load: Load) -> Measured {
    on_one_thread(run_all(address, script, load))
}

struct Shared {
    script: Script,
    load: Load,
    begun: Instant,
    /// How many were due, and how many were sent.
    slots: AtomicU64,
    count: AtomicU64,
    // One for all, never contended: a histogram for each of a thousand clients is 200 MB.
    measured: Mutex<Measured>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Measured> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn run_all(address: &str, script: &Script, load: Load) -> Measured {
    let mut lines = Vec::new();
    for _ in 0..load.clients {
        let mut line = Line::new(address);
        // Who is not taken in now is an error when it asks.
        drop(line.connect().await);
        lines.push(line);
    }
    let cpu_before = process::cpu_seconds_here();
    let shared = Arc::new(Shared {
        script: Arc::clone(script),
        load,
        begun: Instant::now(),
        slots: AtomicU64::new(0),
        count: AtomicU64::new(0),
        measured: Mutex::new(Measured::new()),
    });
    let clients = lines.into_iter().zip(0..);
    let clients: Vec<_> = clients
        .map(|(line, client)| tokio::spawn(one(line, client, Arc::clone(&shared))))
        .collect();
    for client in clients {
        client.await.expect("a client does not panic");
    }
    let seconds = shared.begun.elapsed().as_secs_f64();
    let shared = Arc::into_inner(shared).expect("all clients have ended");
    let measured = shared.measured.into_inner();
    let cpu_seconds = cpu_before.zip(process::cpu_seconds_here());
    Measured {
        seconds,
        cpu_seconds: cpu_seconds.map(|(before, after)| after - before),
        ..measured.unwrap_or_else(PoisonError::into_inner)
    }
}

async fn one(mut line: Line, client: u64, shared: Arc<Shared>) {
    let end = shared.begun + Duration::from_secs_f64(shared.load.seconds);
    let mut request = Request::default();
    loop {
        let mut due = None;
        if let Some(rate) = shared.load.rate {
            let slot = shared.slots.fetch_add(1, Ordering::Relaxed);
            let instant = shared.begun + Duration::from_secs_f64(slot as f64 / rate);
            if instant >= end {
                break;
            }
            if instant > Instant::now() {
                tokio::time::sleep_until(instant.into()).await;
            }
            due = Some(instant);
        } else if Instant::now() >= end {
            break;
        }
        let number = shared.count.fetch_add(1, Ordering::Relaxed);
        let Some(judge) = (shared.script)(client, number, &mut request) else {
            shared.lock().is_out_of_stock = true;
            break;
        };
        let since = due.unwrap_or_else(Instant::now);
        let answered = line.send(&request).await;
        let is_over = matches!(answered, Err(Trouble::NoConnection(_)));
        let trouble = match answered {
            Ok(answer) => (!judge(&answer)).then(|| answer.to_string()),
            Err(trouble) => Some(trouble.to_string()),
        };
        shared.lock().count(since.elapsed(), trouble);
        // Nobody listens any more. A connection that was only lost is made again.
        if is_over {
            break;
        }
    }
}

pub fn test() {
    let mut measured = Measured::new();
    measured.seconds = 2.0;
    for _ in 0..10 {
        measured.count(Duration::from_millis(10), None);
    }
    // Refused soon, which makes nothing better.
    for error in 0..90 {
        measured.count(Duration::from_millis(1), Some(error.to_string()));
    }
    assert_eq!((measured.requests, measured.errors), (100, 90));
    assert_eq!(measured.first_error.as_deref(), Some("0"));
    assert!((measured.per_second() - 5.0).abs() < 1e-9);
    assert!(measured.millis(0.01) > 9.0);
    an_open_loop_counts_what_it_was_late();
    what_runs_out_is_known();
    a_lost_connection_is_made_again();
}

/// Late because of the clients themselves: each takes a tenth of a second to know what to ask.
fn an_open_loop_counts_what_it_was_late() {
    let script: Script = Arc::new(|_, _, request| {
        std::thread::sleep(Duration::from_millis(100));
        request.get(format_args!("/"), None);
        Some(good)
    });
    let load = Load {
        clients: 1,
        seconds: 0.5,
        rate: Some(5.0),
    };
    let measured = run(&line::server(usize::MAX), &script, load);
    assert_eq!(measured.errors, 0, "{:?}", measured.first_error);
    assert!(measured.millis(0.01) >= 100.0, "{}", measured.millis(0.01));
}

fn what_runs_out_is_known() {
    // What runs out ends by itself.
    for (stock, seconds, is_out) in [(3, 60.0, true), (u64::MAX, 0.1, false)] {
        let load = Load {
            clients: 2,
            seconds,
            rate: None,
        };
        let script: Script = Arc::new(move |_, number, request| {
            request.get(format_args!("/"), None);
            (number < stock).then_some(good)
        });
        let measured = run(&line::server(usize::MAX), &script, load);
        assert_eq!(measured.is_out_of_stock, is_out);
        assert!(!is_out || measured.requests == stock);
    }
}

/// By a server that goes after two answers; clients that went with it would send six requests.
fn a_lost_connection_is_made_again() {
    let script: Script = Arc::new(|_, _, request| {
        request.get(format_args!("/"), None);
        Some(good)
    });
    let load = Load {
        clients: 2,
        seconds: 0.2,
        rate: Some(100.0),
    };
    let measured = run(&line::server(2), &script, load);
    assert!(measured.good() >= 10.0, "{}", measured.good());
    assert!(measured.errors > 0);
    assert_eq!(measured.requests, 20);

    // Nobody listens: each client says so once.
    let measured = run("127.0.0.1:1", &script, load);
    assert_eq!((measured.requests, measured.errors), (2, 2));
}
