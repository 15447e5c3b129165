//! The own identity as connections use it: the newest SVID with the TLS settings made from it,
//! made once per SVID. It does not fetch identities; `mesh-transport` does.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use mesh_identity::SpiffeId;
use mesh_transport::{Identity, IdentitySource};
use rustls::{ClientConfig, ServerConfig};

/// The own identity and what was made of it.
#[derive(Debug)]
pub(crate) struct OwnIdentity {
    source: IdentitySource,
    made: Mutex<Made>,
}

/// What one handshake needs.
#[derive(Debug)]
pub(crate) struct Shown<C> {
    pub(crate) config: Arc<C>,
    pub(crate) serial: String,
    pub(crate) not_after: SystemTime,
    pub(crate) epoch: u64,
}

/// Why there is no identity to show.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("no identity has been issued yet")]
    None,
    #[error("the own identity has expired")]
    Expired,
    #[error("the own identity cannot be used for TLS")]
    Tls(#[source] mesh_transport::Error),
}

#[derive(Debug, Default)]
struct Made {
    from: Option<Arc<Identity>>,
    epoch: u64,
    server: Option<Arc<ServerConfig>>,
    clients: BTreeMap<SpiffeId, Arc<ClientConfig>>,
}

// === impl OwnIdentity ===

impl OwnIdentity {
    pub(crate) fn new(source: IdentitySource) -> Self {
        Self {
            source,
            made: Mutex::default(),
        }
    }

    pub(crate) fn source(&self) -> &IdentitySource {
        &self.source
    }

    /// What to show to a client.
    pub(crate) fn server(&self) -> Result<Shown<ServerConfig>, Unusable> {
        let (identity, mut made) = self.newest()?;
        let config = match &made.server {
            Some(config) => Arc::clone(config),
            None => {
                let config = mesh_transport::server_config(&identity).map_err(Unusable::Tls)?;
                Arc::clone(made.server.insert(config))
            }
        };
        Ok(shown(&identity, config, made.epoch))
    }

    /// What to show to the server `expected`.
    pub(crate) fn client(&self, expected: &SpiffeId) -> Result<Shown<ClientConfig>, Unusable> {
        let (identity, mut made) = self.newest()?;
        let config = match made.clients.get(expected) {
            Some(config) => Arc::clone(config),
            None => {
                let config =
                    mesh_transport::client_config(&identity, expected).map_err(Unusable::Tls)?;
                made.clients.insert(expected.clone(), Arc::clone(&config));
                config
            }
        };
        Ok(shown(&identity, config, made.epoch))
    }

    fn newest(&self) -> Result<(Arc<Identity>, MutexGuard<'_, Made>), Unusable> {
        // The lock first: otherwise a reader of the old identity could put it in force again after
        // a reader of the new one, and both changes would count as epochs.
        // What is made of a half-made state is thrown away with the next identity.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let identity = self.source.current().ok_or(Unusable::None)?;
        // Nobody should take it any more; showing it would only move the failure to the peer.
        if identity.svid.not_after <= SystemTime::now() {
            return Err(Unusable::Expired);
        }
        if !made
            .from
            .as_ref()
            .is_some_and(|from| Arc::ptr_eq(from, &identity))
        {
            let epoch = made.epoch + 1;
            *made = Made {
                from: Some(Arc::clone(&identity)),
                epoch,
                ..Made::default()
            };
        }
        Ok((identity, made))
    }
}

fn shown<C>(identity: &Identity, config: Arc<C>, epoch: u64) -> Shown<C> {
    Shown {
        config,
        serial: identity.svid.serial.clone(),
        not_after: identity.svid.not_after,
        epoch,
    }
}
