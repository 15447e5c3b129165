//! The life of a service: what is started, in which order it waits, and how it ends.

use std::sync::Arc;
use std::time::Duration;

use mesh_dataplane::{Condition, Readiness};
use mesh_identity::SpiffeId;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::edge::Shedding;
use super::{Chassis, LOOK_EVERY, Loop, Running};
use crate::caller::Caller;
use crate::db::{Database, Share, Tx};
use crate::error::{Chain, Error};
use crate::jwt::Authenticated;
use crate::outbox::Relay;
use crate::tasks::NewTask;
use crate::unreadable::Readable;

/// How long calls are still taken while tasks that run come to their end. Together with the grace
/// of the connections it is below what a platform waits before it kills.
const WRITERS_FIRST: Duration = Duration::from_secs(8);

/// How long the first call is put off for the database; one that is away is no reason not to start.
const WARM_UP_MAX: Duration = Duration::from_secs(3);
/// Connections that wait for the first calls of the edge.
const WARM: usize = 8;

pub(super) async fn serve(
    mut chassis: Chassis,
    descriptors: &'static [u8],
) -> Result<Running, Error> {
    let (health, health_service) = tonic_health::server::health_reporter();
    // The set describes the whole shop; a service lists what it serves.
    let reflection = chassis.names.iter().fold(
        tonic_reflection::server::Builder::configure(),
        |reflection, name| reflection.with_service_name(*name),
    );
    let reflection = reflection
        .register_encoded_file_descriptor_set(descriptors)
        .build_v1()
        .map_err(Error::Reflection)?;
    chassis.routes.add_service(health_service);
    chassis.routes.add_service(reflection);
    let verifier = chassis.verifier();
    let routes = std::mem::take(&mut chassis.routes).routes().prepare();
    let service = Authenticated::new(Readable(routes), verifier);
    let admission = chassis.database.admission();
    let service = Shedding::new(service, admission, chassis.settings.service());
    // The readiness of everything behind it is registered before the first probe can be answered.
    let background = Background::new(&mut chassis);
    let _ = tokio::time::timeout(WARM_UP_MAX, warm_up(&chassis.database)).await;
    let serving = chassis
        .workload
        .serve(service)
        .await
        .map_err(Error::Workload)?;
    let local_addr = serving.local_addr();

    let (shutdown, drain) = (chassis.shutdown.clone(), chassis.drain.clone());
    // The identity is renewed and the probes are answered for as long as this is held.
    let workload = chassis.workload.clone();
    let readiness = chassis.workload.readiness().clone();
    let names = std::mem::take(&mut chassis.names);
    let staying = readiness.condition("staying");
    staying.met();
    let finished = tokio::spawn(async move {
        let stops = Stops::default();
        let background = tokio::spawn(background.run(stops.clone()));
        let report = tokio::spawn(report(health, names, readiness));
        shutdown.cancelled().await;
        staying.unmet("the service has been told to stop");
        // Events and tasks first, while calls are still served: a slow task must not widen the
        // gap between this process and the next one at the same address.
        stops.writers.cancel();
        let _ = tokio::time::timeout(WRITERS_FIRST, stops.written.cancelled()).await;
        drain.cancel();
        serving.drained().await;
        // What the last calls have written is still published.
        stops.relay.cancel();
        if let Err(error) = background.await {
            tracing::error!(%error, "background work ended badly");
        }
        report.abort();
        drop(workload);
        tracing::info!("ended");
    });
    Ok(Running {
        local_addr,
        finished,
    })
}

/// What ends the work beside the server, step by step.
#[derive(Clone, Default)]
struct Stops {
    writers: CancellationToken,
    /// Cancelled when consumer and tasks have ended.
    written: CancellationToken,
    relay: CancellationToken,
}

/// What runs beside the server.
struct Background {
    database: Database,
    migrations: Option<diesel_migrations::EmbeddedMigrations>,
    own: SpiffeId,
    relay: Arc<Relay>,
    consumer: Option<super::Start>,
    worker: Option<super::Start>,
    recurring: Vec<&'static str>,
    database_up: Condition,
    migrated: Condition,
}

// === impl Background ===

impl Background {
    fn new(chassis: &mut Chassis) -> Self {
        let readiness = chassis.workload.readiness();
        let relay = Relay::new(
            chassis.database.clone(),
            chassis.kafka.clone(),
            chassis.settings.service(),
        );
        Self {
            database_up: readiness.condition("database"),
            migrated: readiness.condition("migrations"),
            database: chassis.database.clone(),
            migrations: Some(std::mem::replace(
                &mut chassis.migrations,
                diesel_migrations::EmbeddedMigrations::new(&[]),
            )),
            own: chassis.own_id(),
            relay: Arc::new(relay),
            consumer: chassis.consumer.take(),
            worker: chassis.worker.take(),
            recurring: std::mem::take(&mut chassis.recurring),
        }
    }

    /// Waits for the database, then runs until it is stopped: the consumer and the tasks end
    /// first, the relay last, because both write events.
    async fn run(mut self, stops: Stops) {
        let stop = stops.writers;
        let written = stops.written.drop_guard();
        let migrations = self.migrations.take();
        let migrate = async {
            if let Some(migrations) = migrations {
                self.database.migrate(migrations).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = migrate => self.migrated.met(),
        }
        let watch = tokio::spawn(watch(self.database.clone(), self.database_up));
        for kind in self.recurring {
            tokio::select! {
                () = stop.cancelled() => return,
                () = ensure(&self.database, &self.own, kind) => {}
            }
        }
        let writers = TaskTracker::new();
        for start in [self.consumer, self.worker].into_iter().flatten() {
            let running: Loop = start(stop.clone());
            writers.spawn(running);
        }
        writers.close();
        let relay = tokio::spawn({
            let (relay, stop) = (Arc::clone(&self.relay), stops.relay);
            async move { relay.run(stop).await }
        });
        stop.cancelled().await;
        writers.wait().await;
        drop(written);
        if let Err(error) = relay.await {
            tracing::error!(%error, "relay ended badly");
        }
        watch.abort();
    }
}

/// Opens some connections. The calls that waited for a process to replace another one come all at
/// once; they should not find a pool that makes them wait again.
async fn warm_up(database: &Database) {
    let looks = (0..WARM).map(|_| {
        let database = database.clone();
        async move { Share::Edge.scope(look(&database)).await }
    });
    for look in tokio::task::JoinSet::from_iter(looks).join_all().await {
        if let Err(error) = look {
            tracing::info!(error = %Chain(&error), "starting without the database");
            return;
        }
    }
}

async fn look(database: &Database) -> Result<(), Error> {
    let look = database.read(async |tx: &mut Tx| {
        use diesel_async::RunQueryDsl;
        diesel::sql_query("select 1").execute(tx.conn()).await?;
        Ok::<(), Error>(())
    });
    look.await
}

/// Keeps gRPC's health in step with readiness: a caller that asks is told the same as a platform.
async fn report(health: HealthReporter, names: Vec<&'static str>, readiness: Readiness) {
    loop {
        readiness.ready().await;
        tell(&health, &names, ServingStatus::Serving).await;
        readiness.not_ready().await;
        tell(&health, &names, ServingStatus::NotServing).await;
    }
}

async fn tell(health: &HealthReporter, names: &[&'static str], status: ServingStatus) {
    // The empty name is the process as a whole.
    for name in names.iter().chain(&[""]) {
        health.set_service_status(name, status).await;
    }
}

/// Keeps readiness in step with the database.
async fn watch(database: Database, up: Condition) {
    loop {
        match look(&database).await {
            Ok(()) => up.met(),
            Err(error) => up.unmet(Chain(&error).to_string()),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Writes the one row of a task that is run again and again.
async fn ensure(database: &Database, own: &SpiffeId, kind: &'static str) {
    let caller = Caller::background(own.clone(), None);
    loop {
        let caller = caller.clone();
        let write = database
            .transaction(async move |tx: &mut Tx| {
                tx.enqueue(&caller, NewTask::new(kind, "all")).await
            })
            .await;
        let Err(error) = write else { return };
        tracing::warn!(error = %Chain(&error), kind, "recurring task waits for the database");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
