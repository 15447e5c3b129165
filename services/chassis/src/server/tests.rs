//! A whole service without a single rule: it starts, works and ends, with and without what it
//! needs.

#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use diesel_migrations::EmbeddedMigrations;
use mesh_dataplane::{Mode, Ports};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::{Chassis, Running};
use crate::bus::{Ack, Event, Handler};
use crate::caller::Caller;
use crate::config::{DatabaseSettings, JwtSettings, ShopSettings};
use crate::db::Tx;
use crate::error::Failure;
use crate::tasks::{Backoff, Lease, Outcome, Policy, Task, TaskHandler};
use crate::testing::{self, TestDatabase};

const NONE: EmbeddedMigrations = EmbeddedMigrations::new(&[]);
const SWEEP: Policy = Policy {
    attempts: None,
    deadline: Duration::from_secs(1),
    backoff: Backoff {
        first: Duration::from_millis(1),
        most: Duration::from_millis(1),
    },
};
/// Longer than every grace of the chassis together.
const END: Duration = Duration::from_secs(30);

struct Sweeps(Arc<AtomicU32>);
struct Deaf;

impl TaskHandler for Sweeps {
    fn kinds(&self) -> &'static [(&'static str, Policy)] {
        &[("sweep", SWEEP)]
    }

    async fn run(&self, _: &Caller, task: &Task, _: &Lease) -> Result<Outcome, Failure> {
        assert_eq!(task.subject_id, "all");
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Outcome::Again(Duration::ZERO))
    }
}

impl Handler for Deaf {
    async fn apply(&self, _: &mut Tx, _: &Caller, _: &Event) -> Result<Ack, Failure> {
        Ok(Ack::Ignored)
    }
}

fn settings(database: DatabaseSettings) -> ShopSettings {
    let id = testing::background("chassis-test").peer().unwrap().clone();
    let mut mesh = mesh_dataplane::Settings::of(id, IpAddr::V4(Ipv4Addr::LOCALHOST));
    mesh.mode = Mode::Off;
    mesh.ports = Ports {
        grpc: 0,
        admin: 0,
        metrics: 0,
        probes: 0,
    };
    mesh.drain_grace = Duration::from_secs(1);
    let jwt = JwtSettings {
        jwks_file: "/nowhere/jwks.json".into(),
        issuer: "https://dev.tradewind.local".to_owned(),
        audience: "tradewind".to_owned(),
    };
    ShopSettings {
        mesh,
        database,
        kafka: testing::kafka_admin(),
        jwt,
    }
}

async fn start(
    settings: &ShopSettings,
    sweeps: &Arc<AtomicU32>,
    stop: &CancellationToken,
) -> Running {
    Chassis::start(settings, NONE, stop.clone())
        .await
        .unwrap()
        .consume(&["order-events"], Deaf)
        .work(Sweeps(Arc::clone(sweeps)))
        .recurring("sweep")
        .serve(&[])
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_starts_works_and_ends() {
    let test = TestDatabase::create(NONE).await;
    let (sweeps, stop) = (Arc::default(), CancellationToken::new());
    let running = start(&settings(test.settings()), &sweeps, &stop).await;
    assert_ne!(running.local_addr().port(), 0);
    let end = Instant::now() + END;
    while sweeps.load(Ordering::SeqCst) < 3 {
        assert!(Instant::now() < end, "the recurring task does not run");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.cancel();
    timeout(END, running.finished()).await.expect("it ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_starts_and_ends_without_anything_it_needs() {
    let away = DatabaseSettings {
        // Nobody listens on the discard port.
        url: "postgres://nobody@127.0.0.1:9/nothing".to_owned(),
        password_file: None,
        application: "test".to_owned(),
    };
    let mut settings = settings(away);
    settings.kafka.brokers = "127.0.0.1:9".to_owned();
    let (sweeps, stop) = (Arc::default(), CancellationToken::new());
    let running = start(&settings, &sweeps, &stop).await;
    stop.cancel();
    timeout(END, running.finished()).await.expect("it ends");
    assert_eq!(sweeps.load(Ordering::SeqCst), 0);
}
