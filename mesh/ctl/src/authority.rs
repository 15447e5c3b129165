//! Acts as a service account: asks the authority for a certificate, and for the next one before
//! the first is half over. It runs only while a command needs it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mesh_identity::SpiffeId;
use mesh_transport::Identity;
use mesh_transport::istio_ca::{self, CaSettings};
use tokio::sync::Mutex;

use crate::cli::Place;
use crate::error::Error;

/// One service account's identity, renewed when it is used.
pub(crate) struct Account {
    settings: CaSettings,
    current: Mutex<Option<Arc<Identity>>>,
}

// === impl Account ===

impl Account {
    pub(crate) fn new(place: &Place, account: &str, ttl: Duration) -> Result<Self, Error> {
        let id = place.account(account)?;
        let settings = place.ca_settings(&id, ttl)?;
        Ok(Self {
            settings,
            current: Mutex::default(),
        })
    }

    pub(crate) fn id(&self) -> &SpiffeId {
        &self.settings.id
    }

    /// An identity with at least half of its lifetime to come.
    pub(crate) async fn identity(&self) -> Result<Arc<Identity>, Error> {
        let mut current = self.current.lock().await;
        if let Some(identity) = current.as_ref().filter(|identity| is_fresh(identity)) {
            return Ok(Arc::clone(identity));
        }
        let identity = Arc::new(self.ask().await?);
        *current = Some(Arc::clone(&identity));
        Ok(identity)
    }

    async fn ask(&self) -> Result<Identity, Error> {
        istio_ca::fetch(&self.settings)
            .await
            .map_err(|source| Error::NoAnswer {
                address: self.settings.address.clone(),
                account: self.settings.id.service_account().to_owned(),
                source: Box::new(source),
            })
    }
}

fn is_fresh(identity: &Identity) -> bool {
    let lifetime = identity.svid.not_after.duration_since(identity.received_at);
    let left = identity.svid.not_after.duration_since(SystemTime::now());
    left.unwrap_or_default() >= lifetime.unwrap_or_default() / 2
}
