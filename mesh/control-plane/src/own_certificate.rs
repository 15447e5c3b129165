//! The certificate that the control plane shows: signed by its own authority, replaced in time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use mesh_identity::{Csr, SpiffeId, Svid, TrustBundles};
use mesh_transport::istio_ca::MESHD_DNS_NAME;
use mesh_transport::{ClientCertificate, Identity, server_config_with};
use rustls::ServerConfig;

use crate::config::Config;
use crate::error::Error;
use crate::state::State;

/// Life of the certificate; half of it is left when it is replaced.
const TTL: Duration = Duration::from_secs(24 * 3600);

/// The certificate in use, made anew when it is asked for after half of its life.
pub(crate) struct OwnCertificate {
    state: Arc<State>,
    id: SpiffeId,
    current: Mutex<Current>,
}

struct Current {
    config: Arc<ServerConfig>,
    replace_at: SystemTime,
}

// === impl OwnCertificate ===

impl OwnCertificate {
    pub(crate) fn new(state: Arc<State>, config: &Config) -> Result<Self, Error> {
        let id = config.own_id();
        let current = Mutex::new(issue(&state, &id, SystemTime::now())?);
        Ok(Self { state, id, current })
    }

    /// The configuration for a handshake at this time.
    pub(crate) fn server_config(&self, now: SystemTime) -> Result<Arc<ServerConfig>, Error> {
        // A panic while the lock is held leaves a whole value.
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.replace_at <= now {
            *current = issue(&self.state, &self.id, now)?;
        }
        Ok(Arc::clone(&current.config))
    }
}

fn issue(state: &State, id: &SpiffeId, now: SystemTime) -> Result<Current, Error> {
    let csr = Csr::generate()?;
    let issued = state
        .authority(now)?
        .sign(&csr.pem, id, &[MESHD_DNS_NAME], TTL, now)?;
    let (svid, roots) = Svid::from_answer(&issued.chain_pem, csr.key.clone_key(), id)?;
    tracing::info!(%id, serial = svid.serial, "own certificate issued");
    let identity = Identity {
        svid,
        bundles: TrustBundles::of(id.trust_domain().clone(), roots),
        received_at: now,
    };
    Ok(Current {
        config: server_config_with(&identity, ClientCertificate::Optional)?,
        replace_at: now + TTL / 2,
    })
}
