//! Times of single decisions, and how many allocations they took.

use std::hint::black_box;
use std::time::Instant;

use serde_json::{Value, json};

use crate::counting;

pub struct Figures {
    p50_ns: u64,
    p99_ns: u64,
    allocations_per_decision: f64,
}

impl Figures {
    /// Runs through what is asked again and again. What reading the clock costs is taken off.
    pub fn of<A>(decisions: usize, asked: &[A], decide: impl Fn(&A) -> bool) -> Self {
        let clock = percentile(&mut times(2_000, || ()), 50);
        for asked in asked.iter().cycle().take(decisions / 10) {
            black_box(decide(black_box(asked)));
        }
        let before = counting::allocations();
        let mut next = asked.iter().cycle();
        for _ in 0..100 {
            black_box(next.next().map(&decide));
        }
        let counted = u32::try_from(counting::allocations() - before).unwrap_or(u32::MAX);
        let mut next = asked.iter().cycle();
        let mut times = times(decisions, || {
            black_box(next.next().map(|asked| decide(black_box(asked))));
        });
        Self {
            p50_ns: percentile(&mut times, 50).saturating_sub(clock),
            p99_ns: percentile(&mut times, 99).saturating_sub(clock),
            allocations_per_decision: f64::from(counted) / 100.0,
        }
    }

    pub fn to_json(&self) -> Value {
        json!({
            "p50_ns": self.p50_ns,
            "p99_ns": self.p99_ns,
            "allocations": self.allocations_per_decision,
        })
    }
}

fn times(count: usize, mut what: impl FnMut()) -> Vec<u64> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let started = Instant::now();
        what();
        times.push(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    times
}

fn percentile(times: &mut [u64], percent: usize) -> u64 {
    times.sort_unstable();
    times[(times.len() - 1) * percent / 100]
}
