//! The handler of the tests: records what it is given, and fails where the test wants it.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;
use mesh_telemetry::propagation::TraceContext;
use tokio::time::Instant;

use super::rig::PATIENCE;
use crate::bus::{Ack, Event, Handler};
use crate::caller::Caller;
use crate::db::Tx;
use crate::error::{Error, Failure, Kind};

/// Records what it applies, and fails where the test wants it.
#[derive(Default)]
pub(super) struct Recorder {
    pub(super) events: Mutex<Vec<Event>>,
    /// The trace that each event was applied in.
    pub(super) traces: Mutex<Vec<Option<TraceContext>>>,
    attempts: Mutex<HashMap<(String, i64), u32>>,
    fails: Option<(&'static str, i64, Kind, u32)>,
    /// Nothing can be applied for as long as this is set.
    pub(super) stalled: AtomicBool,
    /// Whether there is a table for what has had its effect. An event that is recorded may have
    /// been rolled back, with the others of its transaction.
    pub(super) stores: bool,
    /// The version of every aggregate that does not concern it.
    skips: Option<i64>,
}

// === impl Recorder ===

impl Recorder {
    pub(super) fn failing(key: &'static str, version: i64, kind: Kind, times: u32) -> Self {
        Self {
            fails: Some((key, version, kind, times)),
            ..Self::default()
        }
    }

    pub(super) fn skipping(version: i64) -> Self {
        Self {
            skips: Some(version),
            ..Self::default()
        }
    }

    pub(super) fn stalled() -> Self {
        Self {
            stalled: AtomicBool::new(true),
            ..Self::default()
        }
    }

    /// Waits until it was given anything.
    pub(super) async fn asked(&self) {
        let end = Instant::now() + PATIENCE;
        while self.attempts.lock().unwrap().is_empty() {
            assert!(Instant::now() < end, "nothing is delivered");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(super) fn attempts(&self, key: &str, version: i64) -> u32 {
        let attempts = self.attempts.lock().unwrap();
        attempts
            .get(&(key.to_owned(), version))
            .copied()
            .unwrap_or_default()
    }
}

impl Handler for Recorder {
    fn concerns(&self, event: &Event) -> bool {
        self.skips != Some(event.aggregate_version)
    }

    async fn apply(&self, tx: &mut Tx, _: &Caller, event: &Event) -> Result<Ack, Failure> {
        let place = (event.aggregate_id.clone(), event.aggregate_version);
        let attempt = {
            let mut attempts = self.attempts.lock().unwrap();
            let attempt = attempts.entry(place.clone()).or_default();
            *attempt += 1;
            *attempt
        };
        if AtomicBool::load(&self.stalled, Ordering::Relaxed) {
            return Err(Failure::new(Kind::Unavailable, "stalled"));
        }
        if let Some((key, version, kind, times)) = self.fails
            && place == (key.to_owned(), version)
            && attempt <= times
        {
            return Err(Failure::new(kind, "as the test wants it"));
        }
        self.traces
            .lock()
            .unwrap()
            .push(TraceContext::of(&tracing::Span::current()));
        self.events.lock().unwrap().push(event.clone());
        if self.stores {
            let effect = "insert into effect (key, version) values ($1, $2)";
            let effect = diesel::sql_query(effect)
                .bind::<Text, _>(&event.aggregate_id)
                .bind::<BigInt, _>(event.aggregate_version);
            effect.execute(tx.conn()).await.map_err(Error::from)?;
        }
        Ok(Ack::Applied)
    }
}
