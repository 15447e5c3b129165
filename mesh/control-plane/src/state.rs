//! What the authority must keep: root, intermediate and the key for tokens, made once.
//!
//! Each is one file with key and certificate, so that a crash leaves the whole or nothing. The
//! folder is ours alone and locked while we run.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use mesh_identity::{Authority, RootAuthority, TrustDomain};
use rcgen::KeyPair;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::files;

/// An intermediate is replaced when less than this of its year is left, far before any leaf that
/// it signs would be cut short.
const INTERMEDIATE_LEFT_MIN: Duration = Duration::from_secs(60 * 24 * 3600);

const BEGIN_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// The state, loaded, with its folder locked.
pub(crate) struct State {
    directory: PathBuf,
    root: RootAuthority,
    intermediate: Mutex<Arc<Authority>>,
    _lock: File,
}

// === impl State ===

impl State {
    /// Loads what is in the folder and makes what is missing.
    pub(crate) fn open(
        directory: &Path,
        trust_domain: &TrustDomain,
        now: SystemTime,
    ) -> Result<Self, Error> {
        files::private_directory(directory)?;
        let lock = files::lock(directory)?;
        let root = open_root(&directory.join("root.pem"), trust_domain, now)?;
        let intermediate = open_intermediate(&directory.join("intermediate.pem"), &root, now)?;
        Ok(Self {
            directory: directory.to_owned(),
            root,
            intermediate: Mutex::new(Arc::new(intermediate)),
            _lock: lock,
        })
    }

    /// The public root.
    pub(crate) fn root_certificate_pem(&self) -> &str {
        self.root.certificate_pem()
    }

    /// The authority that signs now. It is replaced here when its life comes to an end.
    pub(crate) fn authority(&self, now: SystemTime) -> Result<Arc<Authority>, Error> {
        // The lock is held for moments, and a panic while it is held leaves a whole value.
        let mut intermediate = self
            .intermediate
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if is_due(&intermediate, now) {
            let path = self.directory.join("intermediate.pem");
            *intermediate = Arc::new(make_intermediate(&path, &self.root, now)?);
        }
        Ok(Arc::clone(&intermediate))
    }

    /// The key that signs tokens, as PEM.
    pub(crate) fn token_key_pem(&self) -> Result<Zeroizing<String>, Error> {
        let path = self.directory.join("token-key.pem");
        if let Some(pem) = files::read_private(&path)? {
            return Ok(pem);
        }
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)
            .map_err(|error| Error::TokenKey(error.into()))?;
        let pem = Zeroizing::new(key.serialize_pem());
        files::write_private(&path, &pem)?;
        tracing::info!(path = %path.display(), "made the key for tokens");
        Ok(pem)
    }
}

fn open_root(
    path: &Path,
    trust_domain: &TrustDomain,
    now: SystemTime,
) -> Result<RootAuthority, Error> {
    if let Some(stored) = files::read_private(path)? {
        let (key, certificate) = split(&stored);
        return RootAuthority::from_pem(trust_domain, certificate, key).map_err(unusable(path));
    }
    let root = RootAuthority::create(trust_domain, now)?;
    let both = Zeroizing::new(format!("{}{}", &*root.key_pem(), root.certificate_pem()));
    files::write_private(path, &both)?;
    tracing::info!(path = %path.display(), %trust_domain, "made the root of the mesh");
    Ok(root)
}

fn open_intermediate(
    path: &Path,
    root: &RootAuthority,
    now: SystemTime,
) -> Result<Authority, Error> {
    if let Some(stored) = files::read_private(path)? {
        let (key, certificate) = split(&stored);
        let authority = Authority::from_pem(root, certificate, key).map_err(unusable(path))?;
        if !is_due(&authority, now) {
            return Ok(authority);
        }
    }
    make_intermediate(path, root, now)
}

fn make_intermediate(
    path: &Path,
    root: &RootAuthority,
    now: SystemTime,
) -> Result<Authority, Error> {
    let authority = root.issue_intermediate(now)?;
    let (key, certificate) = (authority.key_pem(), authority.certificate_pem());
    files::write_private(path, &Zeroizing::new(format!("{}{certificate}", &*key)))?;
    tracing::info!(path = %path.display(), "made an intermediate authority");
    Ok(authority)
}

fn is_due(authority: &Authority, now: SystemTime) -> bool {
    authority.not_after() < now + INTERMEDIATE_LEFT_MIN
}

/// Key and certificate of one file, the key first.
fn split(stored: &str) -> (&str, &str) {
    let certificate = stored.find(BEGIN_CERTIFICATE).unwrap_or(stored.len());
    stored.split_at(certificate)
}

fn unusable(path: &Path) -> impl FnOnce(mesh_identity::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::StoredAuthority { path, source }
}

#[cfg(test)]
mod tests;
