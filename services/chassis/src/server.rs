//! The start and the end of a service: mesh, database, relay, consumer, tasks and server, in that
//! order, and back. A service starts without anything it needs and waits for it, not ready.

mod edge;
mod run;
mod signal;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use diesel_migrations::EmbeddedMigrations;
use mesh_dataplane::{MeshChannel, Workload};
use mesh_identity::SpiffeId;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::RoutesBuilder;
use tower::Service;

use crate::bus::Handler;
use crate::bus::kafka::Client;
use crate::bus::kafka::consumer::Consumer;
use crate::config::ShopSettings;
use crate::db::Database;
use crate::error::Error;
use crate::inbox::Inbox;
use crate::jwt::Verifier;
use crate::page::PageTokens;
use crate::tasks::{TaskHandler, Worker};

pub use signal::shutdown_on_signal;

/// Every consumer group begins so; the service's name follows.
const GROUP_PREFIX: &str = "ecommerce-group.";
/// Between two looks at the database for readiness.
const LOOK_EVERY: Duration = Duration::from_secs(2);

type Loop = Pin<Box<dyn Future<Output = ()> + Send>>;
type Start = Box<dyn FnOnce(CancellationToken) -> Loop + Send>;

/// A service while it is put together.
pub struct Chassis {
    settings: ShopSettings,
    workload: Workload,
    database: Database,
    migrations: EmbeddedMigrations,
    kafka: Client,
    page_tokens: PageTokens,
    routes: RoutesBuilder,
    names: Vec<&'static str>,
    consumer: Option<Start>,
    worker: Option<Start>,
    recurring: Vec<&'static str>,
    shutdown: CancellationToken,
    /// Told to the mesh: no more calls.
    drain: CancellationToken,
}

/// A running service.
pub struct Running {
    local_addr: SocketAddr,
    finished: tokio::task::JoinHandle<()>,
}

// === impl Chassis ===

impl Chassis {
    /// Joins the mesh and prepares everything else; waits for nothing.
    pub async fn start(
        settings: &ShopSettings,
        migrations: EmbeddedMigrations,
        shutdown: CancellationToken,
    ) -> Result<Self, Error> {
        crate::error::set_service(settings.service());
        tracing::info!(?settings, "starting");
        let drain = CancellationToken::new();
        let workload = Workload::start(settings.mesh.clone(), drain.clone())
            .await
            .map_err(Error::Workload)?;
        Ok(Self {
            workload,
            database: Database::new(settings.database.clone()),
            migrations,
            kafka: Client::new(settings.kafka.clone()),
            page_tokens: PageTokens::new(&page_secret(settings)?),
            routes: RoutesBuilder::default(),
            names: Vec::new(),
            consumer: None,
            worker: None,
            recurring: Vec::new(),
            shutdown,
            drain,
            settings: settings.clone(),
        })
    }

    /// The service's database.
    pub fn database(&self) -> Database {
        self.database.clone()
    }

    /// A channel to another service, over mutual TLS, with what is left of the deadline.
    pub fn channel(&self, service: &str) -> MeshChannel {
        self.workload.channel(service)
    }

    /// Makes and reads the tokens of the service's pages.
    pub fn page_tokens(&self) -> PageTokens {
        self.page_tokens.clone()
    }

    /// Who this service is.
    pub fn own_id(&self) -> SpiffeId {
        self.settings.mesh.id.clone()
    }

    /// Consumes `topics` as the service's one group.
    #[must_use]
    pub fn consume<H: Handler>(mut self, topics: &'static [&'static str], handler: H) -> Self {
        let group = format!("{GROUP_PREFIX}{}", self.settings.service());
        let inbox = Inbox::new(self.database.clone(), &group, self.own_id());
        let ready = self.workload.readiness().condition("consumer");
        let consumer = Consumer::new(self.kafka.clone(), topics, inbox, Arc::new(handler), ready);
        self.consumer = Some(Box::new(move |shutdown| {
            Box::pin(async move { consumer.run(shutdown).await })
        }));
        self
    }

    /// Runs the service's tasks.
    #[must_use]
    pub fn work<H: TaskHandler>(mut self, handler: H) -> Self {
        let worker = Worker::new(self.database.clone(), Arc::new(handler), self.own_id());
        let worker = Arc::new(worker);
        self.worker = Some(Box::new(move |shutdown| Box::pin(worker.run(shutdown))));
        self
    }

    /// Makes sure that the task `kind` exists that is run again and again: its handler returns
    /// `Outcome::Again(every)`. Its subject is `all`.
    #[must_use]
    pub fn recurring(mut self, kind: &'static str) -> Self {
        self.recurring.push(kind);
        self
    }

    /// Serves a gRPC service.
    #[must_use]
    pub fn grpc<S>(mut self, service: S) -> Self
    where
        S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        self.names.push(S::NAME);
        self.routes.add_service(service);
        self
    }

    /// Starts what was put together, with health and reflection beside it. `descriptors` is the
    /// set that reflection serves. Who may call what is the policies' affair.
    pub async fn serve(self, descriptors: &'static [u8]) -> Result<Running, Error> {
        run::serve(self, descriptors).await
    }

    fn verifier(&self) -> Arc<Verifier> {
        Arc::new(Verifier::new(&self.settings.jwt))
    }
}

// === impl Running ===

impl Running {
    /// Where gRPC is served.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Ends when the service has: after the shutdown token, when all is drained.
    pub async fn finished(self) {
        if let Err(error) = self.finished.await {
            tracing::error!(%error, "service ended badly");
        }
    }
}

/// Tokens must be readable by every process of the service, now and after a restart: what these
/// have in common and nobody else knows is the database's password.
fn page_secret(settings: &ShopSettings) -> Result<Vec<u8>, Error> {
    let Some(path) = &settings.database.password_file else {
        return Ok(rand::random::<[u8; 32]>().to_vec());
    };
    std::fs::read(path).map_err(|source| Error::File {
        path: path.display().to_string(),
        source: source.into(),
    })
}

#[cfg(test)]
mod tests;
