//! What the tests share: a trust domain with its authority, and agents in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mesh_identity::{Authority, Csr, RootAuthority, SpiffeId, Svid, TrustBundles};
use mesh_sidecar::agent;
use mesh_transport::{Identity, IdentitySource};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Far longer than anything here takes, also on a busy machine; who waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Identities are replaced at about half of their life.
const RENEWAL: std::ops::Range<f64> = 0.45..0.55;
const POLL: Duration = Duration::from_millis(10);

/// One trust domain, its authority, and a folder for its files.
pub(crate) struct Mesh {
    root: RootAuthority,
    authority: Authority,
    folder: PathBuf,
}

// === impl Mesh ===

impl Mesh {
    pub(crate) fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("tradewind-sds-{}-{name}", std::process::id()));
        let now = SystemTime::now();
        let root = RootAuthority::create(&"cluster.local".parse().unwrap(), now).unwrap();
        let authority = root.issue_intermediate(now).unwrap();
        Self {
            root,
            authority,
            folder,
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("sds.sock")
    }

    pub(crate) fn root_pem(&self) -> &str {
        self.root.certificate_pem()
    }

    pub(crate) fn id(&self, account: &str) -> SpiffeId {
        SpiffeId::new(self.authority.trust_domain().clone(), "shop", account).unwrap()
    }

    pub(crate) fn issue(&self, account: &str, ttl: Duration) -> Identity {
        let (id, now) = (self.id(account), SystemTime::now());
        let csr = Csr::generate().unwrap();
        let issued = self.authority.sign(&csr.pem, &id, &[], ttl, now).unwrap();
        let (svid, roots) = Svid::from_answer(&issued.chain_pem, csr.key.clone_key(), &id).unwrap();
        Identity {
            svid,
            bundles: TrustBundles::of(id.trust_domain().clone(), roots),
            received_at: now,
        }
    }

    /// An identity that is replaced again and again, for as long as anybody looks.
    pub(crate) fn rotating(
        self: &Arc<Self>,
        account: &'static str,
        ttl: Duration,
    ) -> IdentitySource {
        let mesh = Arc::clone(self);
        let issue = move || Some(Arc::new(mesh.issue(account, ttl)));
        let (sender, receiver) = watch::channel(issue());
        tokio::spawn(async move {
            while !sender.is_closed() {
                tokio::time::sleep(ttl.mul_f64(rand::random_range(RENEWAL))).await;
                sender.send_replace(issue());
            }
        });
        IdentitySource::from_watch(receiver)
    }

    /// An agent that serves `identity` until the guard is dropped.
    pub(crate) fn agent(&self, identity: IdentitySource) -> DropGuard {
        let stop = CancellationToken::new();
        let (path, token) = (self.socket(), stop.clone());
        tokio::spawn(async move { agent::serve(identity, &path, token).await.unwrap() });
        stop.drop_guard()
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

// === helpers ===

/// Polls until `probe` answers something; fails the test when it never does.
pub(crate) async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = probe().await {
            return answer;
        }
        assert!(tokio::time::Instant::now() < until, "never: {what}");
        tokio::time::sleep(POLL).await;
    }
}
