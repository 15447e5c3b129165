//! Keeps a workload's identity fresh: asks an Istio certificate authority, in time and for ever.
//!
//! The private key of each certificate is made here and never leaves the process. Trust begins with
//! the root file, and from the first answer on with the roots in the last answer.

mod request;
mod schedule;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use mesh_identity::SpiffeId;
use rustls_pki_types::CertificateDer;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::error::with_causes;
use crate::identity_source::{Identity, IdentitySource};

/// The DNS name that the certificate of our own authority holds.
pub const MESHD_DNS_NAME: &str = "meshd.mesh-system.svc";

/// The longest sleep without a look at the clock: a machine that was suspended, or whose clock was
/// set, notices within this time that a renewal is due.
const CLOCK_CHECK_INTERVAL: Duration = Duration::from_secs(30);

/// Where to ask for certificates, as whom, and whom to believe.
#[derive(Clone, Debug)]
pub struct CaSettings {
    /// Address of the authority, `<host>:<port>`.
    pub address: String,
    /// The roots to begin with, as PEM; read until the first answer has brought newer ones.
    pub root_file: PathBuf,
    /// The bootstrap token; read anew for each request, because it is replaced.
    pub token_file: PathBuf,
    /// The identity to ask for; an answer for another one is refused.
    pub id: SpiffeId,
    /// The lifetime to ask for.
    pub ttl: Duration,
    /// The SPIFFE id that the authority must prove.
    pub meshd_id: SpiffeId,
    /// The DNS name that the authority's certificate must hold, usually [`MESHD_DNS_NAME`].
    pub server_name: String,
}

/// The task that asks, and everything it remembers.
struct Keeper {
    settings: CaSettings,
    sender: watch::Sender<Option<Arc<Identity>>>,
    /// The roots of the last answer.
    roots: Option<Vec<CertificateDer<'static>>>,
    /// Failures since the last answer.
    failures: u32,
}

/// Starts to keep an identity until `shutdown`. The source is empty until the first answer, and
/// empty again when a certificate has expired and the authority gives no other.
pub fn spawn(settings: CaSettings, shutdown: CancellationToken) -> IdentitySource {
    let (sender, receiver) = watch::channel(None);
    let keeper = Keeper {
        settings,
        sender,
        roots: None,
        failures: 0,
    };
    tokio::spawn(shutdown.run_until_cancelled_owned(keeper.keep()));
    IdentitySource::from_watch(receiver)
}

/// Asks once, for a tool that needs an identity for as long as it runs. Trust comes from the root
/// file.
pub async fn fetch(settings: &CaSettings) -> Result<Identity, crate::Error> {
    request::identity(settings, None)
        .await
        .map(|answer| answer.identity)
}

// === impl Keeper ===

impl Keeper {
    async fn keep(mut self) {
        loop {
            let started = Instant::now();
            let outcome = request::identity(&self.settings, self.roots.as_deref()).await;
            let next = match outcome {
                Ok(answer) => self.take(answer),
                Err(error) => self.note_failure(&error, SystemTime::now()),
            };
            let earliest = schedule::REQUEST_INTERVAL_MIN.saturating_sub(started.elapsed());
            wait_until(next.max(SystemTime::now() + earliest)).await;
        }
    }

    /// Puts a new identity in force and says when to ask for the next one.
    fn take(&mut self, answer: request::Answer) -> SystemTime {
        let identity = answer.identity;
        let next = schedule::renewal_at(
            identity.received_at,
            identity.svid.not_after,
            schedule::random_renewal_fraction(),
        );
        tracing::info!(
            id = %identity.svid.id,
            serial = identity.svid.serial,
            failures = self.failures,
            "identity received"
        );
        self.failures = 0;
        self.roots = Some(answer.roots);
        self.sender.send_replace(Some(Arc::new(identity)));
        next
    }

    /// Tells of the first failure and of an expiry, but not of every attempt in between.
    fn note_failure(&mut self, error: &crate::Error, now: SystemTime) -> SystemTime {
        self.failures = self.failures.saturating_add(1);
        let id = &self.settings.id;
        let error = with_causes(error);
        if self.failures == 1 {
            tracing::warn!(%id, error, "no certificate from the authority, asking again");
        } else {
            tracing::debug!(%id, error, failures = self.failures, "no certificate yet");
        }
        let has_expired = |identity: &Arc<Identity>| identity.svid.not_after <= now;
        if self.sender.borrow().as_ref().is_some_and(has_expired) {
            tracing::error!(%id, error, "identity has expired, no peer will accept it");
            self.sender.send_replace(None);
        }
        now + schedule::retry_after(self.failures, schedule::random_retry_fraction())
    }
}

async fn wait_until(time: SystemTime) {
    while let Ok(remaining) = time.duration_since(SystemTime::now()) {
        if remaining.is_zero() {
            return;
        }
        tokio::time::sleep(remaining.min(CLOCK_CHECK_INTERVAL)).await;
    }
}
