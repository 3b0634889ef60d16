//! Many clients for some time, in a closed loop or at a given rate.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::http::{Ask, Connection};

/// How long, and how hard.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub clients: u64,
    pub seconds: f64,
    /// Requests a second (open loop): the latency of each counts from the instant at which it was
    /// due, whether or not anybody was free to send it. None: each client sends when it has its
    /// answer (closed loop).
    pub rate: Option<f64>,
}

/// What came of it.
pub struct Measured {
    pub requests: u64,
    pub errors: u64,
    pub seconds: f64,
    /// In microseconds.
    pub latencies: Histogram<u64>,
}

impl Measured {
    pub fn new() -> Self {
        Self {
            requests: 0,
            errors: 0,
            seconds: 0.0,
            latencies: Histogram::new_with_bounds(1, 60_000_000, 3)
                .expect("these are sound bounds"),
        }
    }

    pub fn per_second(&self) -> f64 {
        self.requests as f64 / self.seconds.max(1e-9)
    }

    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.seconds += other.seconds;
        self.latencies
            .add(&other.latencies)
            .expect("both have the same bounds");
    }
}

/// What a client asks for as its nth request; none when there is nothing left to ask for.
pub type Script = Arc<dyn Fn(u64, u64) -> Option<Ask> + Send + Sync>;

/// Sends what `script` says until the time is over.
pub async fn run(address: &str, script: &Script, load: Load) -> Measured {
    let mut connections = Vec::new();
    for _ in 0..load.clients {
        connections.push(
            Connection::open(address)
                .await
                .expect("the server takes connections"),
        );
    }
    let (slots, count) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(load.seconds);
    let clients = connections
        .into_iter()
        .zip(0..)
        .map(|(mut connection, client)| {
            let (script, slots, count) =
                (Arc::clone(script), Arc::clone(&slots), Arc::clone(&count));
            tokio::spawn(async move {
                let mut measured = Measured::new();
                loop {
                    let due = match load.rate {
                        None => Instant::now(),
                        Some(rate) => {
                            let slot = slots.fetch_add(1, Ordering::Relaxed);
                            begun + Duration::from_secs_f64(slot as f64 / rate)
                        }
                    };
                    if due >= end {
                        break;
                    }
                    tokio::time::sleep_until(due.into()).await;
                    let number = count.fetch_add(1, Ordering::Relaxed);
                    let Some(ask) = script(client, number) else {
                        break;
                    };
                    let since = if load.rate.is_some() {
                        due
                    } else {
                        Instant::now()
                    };
                    let answered = connection.send(ask).await;
                    let micros = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
                    measured.requests += 1;
                    measured.latencies.saturating_record(micros.max(1));
                    match answered {
                        Ok((200..=299, _)) => {}
                        Ok(_) => measured.errors += 1,
                        Err(_) => {
                            measured.errors += 1;
                            break;
                        }
                    }
                }
                measured
            })
        });
    let clients: Vec<_> = clients.collect();
    let mut all = Measured::new();
    for client in clients {
        all.add(&client.await.expect("a client does not panic"));
    }
    all.seconds = begun.elapsed().as_secs_f64();
    all
}
