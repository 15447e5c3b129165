//! Where a connection takes its identity from: the newest one, however often it is replaced.

use std::sync::Arc;
use std::time::SystemTime;

use mesh_identity::{Svid, TrustBundles};
use tokio::sync::watch;

/// An SVID with the roots that came with it.
#[derive(Debug)]
pub struct Identity {
    /// Who we are, and the key that proves it.
    pub svid: Svid,
    /// The roots that our peers must lead to.
    pub bundles: TrustBundles,
    /// When it was received: renewal counts from here.
    pub received_at: SystemTime,
}

/// A cheap handle to the identity in force. It holds nothing until the first one is there, and
/// again nothing once the last one has expired without a successor.
#[derive(Clone, Debug)]
pub struct IdentitySource {
    receiver: watch::Receiver<Option<Arc<Identity>>>,
    /// Keeps a source that never changes open: waiting for a change waits instead of failing.
    _fixed: Option<Arc<watch::Sender<Option<Arc<Identity>>>>>,
}

// === impl IdentitySource ===

impl IdentitySource {
    /// A source that always holds the same identity, for tests and examples.
    pub fn fixed(identity: Identity) -> Self {
        let (sender, receiver) = watch::channel(Some(Arc::new(identity)));
        Self {
            receiver,
            _fixed: Some(Arc::new(sender)),
        }
    }

    /// A source that follows a channel; whoever holds its sender replaces the identity.
    pub fn from_watch(receiver: watch::Receiver<Option<Arc<Identity>>>) -> Self {
        Self {
            receiver,
            _fixed: None,
        }
    }

    /// The identity in force, if there is one.
    pub fn current(&self) -> Option<Arc<Identity>> {
        self.receiver.borrow().clone()
    }

    /// Waits for an identity. It waits for ever when the provider has ended without one.
    pub async fn ready(&self) -> Arc<Identity> {
        let mut receiver = self.receiver.clone();
        loop {
            if let Some(identity) = receiver.borrow_and_update().clone() {
                return identity;
            }
            if receiver.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// A channel that tells of every replacement. Its `changed` fails once the provider has ended.
    pub fn subscribe(&self) -> watch::Receiver<Option<Arc<Identity>>> {
        self.receiver.clone()
    }
}
