//! The issuer's keys, from a file that may change under a running service.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse,
};
use tokio::time::Instant;

/// The file is looked at this often at most, however many tokens name unknown keys.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Before the first key is there, waiting a minute would keep every user out.
const LOOK_EVERY_WHILE_EMPTY: Duration = Duration::from_secs(1);

/// The keys of one issuer.
pub(super) struct Keys {
    file: PathBuf,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    keys: HashMap<String, DecodingKey>,
    modified: Option<SystemTime>,
    looked: Option<Instant>,
}

// === impl Keys ===

impl Keys {
    pub(super) fn new(file: PathBuf) -> Self {
        Self {
            file,
            state: RwLock::default(),
        }
    }

    /// The key named `kid`. The file is read again when it has changed, but looked at once a
    /// minute at most.
    pub(super) fn find(&self, kid: &str, now: Instant) -> Option<DecodingKey> {
        {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            if !state.is_due(now) {
                return state.keys.get(kid).cloned();
            }
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.is_due(now) {
            state.looked = Some(now);
            self.look(&mut state);
        }
        state.keys.get(kid).cloned()
    }

    fn look(&self, state: &mut State) {
        let modified = fs::metadata(&self.file)
            .and_then(|metadata| metadata.modified())
            .ok();
        if modified.is_some() && modified == state.modified {
            return;
        }
        let text = match fs::read_to_string(&self.file) {
            Ok(text) => text,
            Err(error) => {
                tracing::error!(%error, file = %self.file.display(), "no keys for tokens");
                return;
            }
        };
        match serde_json::from_str::<JwkSet>(&text) {
            Ok(set) => {
                // The last good keys stay when the new file is broken.
                state.keys = set.keys.iter().filter_map(usable).collect();
                state.modified = modified;
                tracing::info!(keys = state.keys.len(), "keys for tokens read");
            }
            Err(error) => {
                tracing::error!(%error, file = %self.file.display(), "keys for tokens are broken");
            }
        }
    }
}

// === impl State ===

impl State {
    fn is_due(&self, now: Instant) -> bool {
        let every = if self.keys.is_empty() {
            LOOK_EVERY_WHILE_EMPTY
        } else {
            LOOK_EVERY
        };
        self.looked
            .is_none_or(|looked| now.duration_since(looked) >= every)
    }
}

/// Only signing keys for ES256: a key for another algorithm must not verify anything here.
fn usable(jwk: &Jwk) -> Option<(String, DecodingKey)> {
    let common = &jwk.common;
    let for_signing = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature));
    let for_es256 = matches!(common.key_algorithm, None | Some(KeyAlgorithm::ES256));
    let on_p256 = matches!(
        &jwk.algorithm,
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256
    );
    if !(for_signing && for_es256 && on_p256) {
        return None;
    }
    let kid = common.key_id.clone()?;
    DecodingKey::from_jwk(jwk).ok().map(|key| (kid, key))
}
