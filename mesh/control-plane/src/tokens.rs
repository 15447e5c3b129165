//! Bootstrap tokens: what a workload without a certificate proves its account with.
//!
//! They have the form of Kubernetes' projected tokens, signed by a key of our own, and lie in files
//! that are replaced at half of their life.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use mesh_dataplane::Condition;
use rcgen::KeyPair;
use serde::{Deserialize, Serialize};

use crate::config::{Account, Config};
use crate::error::Error;
use crate::files;

const ISSUER: &str = "meshd";
const AUDIENCE: &str = "istio-ca";
const SUBJECT_PREFIX: &str = "system:serviceaccount:";

/// The longest token in bytes that is looked at; ours take 350.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// How soon a file that could not be written is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// The longest sleep without a look at the clock, which may be set or stand still with the machine.
const CLOCK_CHECK_INTERVAL: Duration = Duration::from_secs(15);

/// Signs and verifies tokens.
pub(crate) struct TokenKey {
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
    accounts: BTreeSet<Account>,
    ttl: Duration,
}

/// The token files of all accounts.
pub(crate) struct TokenFiles {
    key: Arc<TokenKey>,
    directory: PathBuf,
    next: SystemTime,
}

/// Why a token proves nothing. The reason goes to the log, never to the caller.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("token is longer than 8 KiB")]
    TooLong,
    #[error("token is not valid: {0:?}")]
    Invalid(ErrorKind),
    #[error("subject is no service account")]
    Subject,
    #[error("account {0} is not one of ours")]
    Account(Account),
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Vec<String>,
    iat: u64,
    nbf: u64,
    exp: u64,
}

// === impl TokenKey ===

impl TokenKey {
    /// Takes the stored P-256 key.
    pub(crate) fn from_pem(pem: &str, config: &Config) -> Result<Self, Error> {
        let pair = KeyPair::from_pkcs8_pem_and_sign_algo(pem, &rcgen::PKCS_ECDSA_P256_SHA256)
            .map_err(|error| Error::TokenKey(error.into()))?;
        let unusable = |error: jsonwebtoken::errors::Error| Error::TokenKey(error.into());
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.validate_nbf = true;
        validation.leeway = 0; // the clock that signed is the clock that verifies
        Ok(Self {
            signing: EncodingKey::from_ec_pem(pem.as_bytes()).map_err(unusable)?,
            verifying: DecodingKey::from_ec_pem(pair.public_key_pem().as_bytes())
                .map_err(unusable)?,
            validation,
            accounts: config.accounts.iter().cloned().collect(),
            ttl: config.token_ttl,
        })
    }

    /// A token for an account, valid from now on.
    pub(crate) fn mint(&self, account: &Account, now: SystemTime) -> Result<String, Error> {
        let now = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: format!("{SUBJECT_PREFIX}{}:{}", account.namespace, account.name),
            aud: vec![AUDIENCE.to_owned()],
            iat: now,
            nbf: now,
            exp: now + self.ttl.as_secs(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &self.signing)
            .map_err(|error| Error::TokenKey(error.into()))
    }

    /// The account that a token proves, now.
    pub(crate) fn verify(&self, token: &str) -> Result<Account, Refusal> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Refusal::TooLong);
        }
        let token = jsonwebtoken::decode::<Claims>(token, &self.verifying, &self.validation)
            .map_err(|error| Refusal::Invalid(error.into_kind()))?;
        let subject = token.claims.sub.strip_prefix(SUBJECT_PREFIX);
        let (namespace, name) = subject
            .and_then(|account| account.split_once(':'))
            .ok_or(Refusal::Subject)?;
        let account = Account {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        if !self.accounts.contains(&account) {
            return Err(Refusal::Account(account));
        }
        Ok(account)
    }
}

// === impl TokenFiles ===

impl TokenFiles {
    pub(crate) fn new(key: Arc<TokenKey>, config: &Config) -> Self {
        Self {
            key,
            directory: config.token_dir.clone(),
            next: SystemTime::UNIX_EPOCH,
        }
    }

    /// Writes a new token for every account.
    pub(crate) fn write_all(&mut self, now: SystemTime) -> Result<(), Error> {
        if !self.directory.exists() {
            files::private_directory(&self.directory)?;
        }
        for account in &self.key.accounts {
            let token = self.key.mint(account, now)?;
            files::write_private(&self.path_of(account), &token)?;
        }
        self.next = now + self.key.ttl / 2;
        Ok(())
    }

    /// Replaces the tokens at half of their life, for ever.
    pub(crate) async fn keep_fresh(mut self, fresh: Condition) {
        loop {
            wait_until(self.next).await;
            let now = SystemTime::now();
            match self.write_all(now) {
                Ok(()) => fresh.met(),
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(error, "cannot replace the bootstrap tokens");
                    fresh.unmet("tokens cannot be written");
                    self.next = now + RETRY_PAUSE;
                }
            }
        }
    }

    /// `<namespace>.<account>`: a namespace has no dot, so no two accounts share a file.
    fn path_of(&self, account: &Account) -> PathBuf {
        self.directory
            .join(format!("{}.{}", account.namespace, account.name))
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

#[cfg(test)]
mod tests;
