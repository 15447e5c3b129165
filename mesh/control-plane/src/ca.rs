//! Istio's `CreateCertificate`: who the caller is comes from its token alone, the key from its CSR.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mesh_identity::{Error as IdentityError, SpiffeId, TrustDomain};
use mesh_xds::ca::{
    IstioCertificateRequest, IstioCertificateResponse, IstioCertificateService,
    IstioCertificateServiceServer,
};
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use crate::config::Account;
use crate::metrics;
use crate::serve::Remote;
use crate::state::State;
use crate::tokens::TokenKey;

/// The longest request in bytes: a CSR takes 500.
const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// Life of a certificate when the caller does not say, and the longest that it may ask for.
const TTL_DEFAULT: Duration = Duration::from_secs(24 * 3600);
const TTL_MAX: Duration = Duration::from_secs(24 * 3600);

/// Below this a workload would ask again every few seconds.
const TTL_MIN: Duration = Duration::from_secs(10);

/// The certificate service.
pub(crate) struct CertificateAuthority {
    state: Arc<State>,
    tokens: Arc<TokenKey>,
    trust_domain: TrustDomain,
}

/// The service as a server takes it.
pub(crate) fn service(
    state: Arc<State>,
    tokens: Arc<TokenKey>,
    trust_domain: TrustDomain,
) -> IstioCertificateServiceServer<CertificateAuthority> {
    IstioCertificateServiceServer::new(CertificateAuthority {
        state,
        tokens,
        trust_domain,
    })
    .max_decoding_message_size(REQUEST_BYTES_MAX)
}

// === impl CertificateAuthority ===

#[tonic::async_trait]
impl IstioCertificateService for CertificateAuthority {
    async fn create_certificate(
        &self,
        request: Request<IstioCertificateRequest>,
    ) -> Result<Response<IstioCertificateResponse>, Status> {
        let remote = request.extensions().get::<Remote>().cloned();
        let remote = remote.unwrap_or_default();
        let answer = self.answer(&request, &remote);
        metrics::certificate_request(answer.as_ref().err().map(Status::code));
        answer.map(Response::new)
    }
}

impl CertificateAuthority {
    fn answer(
        &self,
        request: &Request<IstioCertificateRequest>,
        remote: &Remote,
    ) -> Result<IstioCertificateResponse, Status> {
        let account = self.authenticate(request.metadata(), remote)?;
        let ttl = ttl_of(request.get_ref().validity_duration)?;
        let now = SystemTime::now();
        let domain = self.trust_domain.clone();
        let id = SpiffeId::new(domain, &account.namespace, &account.name)
            .map_err(|error| internal(&error))?;
        let authority = self
            .state
            .authority(now)
            .map_err(|error| internal(&error))?;
        let issued = authority
            .sign(&request.get_ref().csr, &id, &[], ttl, now)
            .map_err(|error| match error {
                IdentityError::InvalidRequest { .. } => Status::invalid_argument(error.to_string()),
                error => internal(&error),
            })?;
        tracing::info!(
            %remote,
            %account,
            %id,
            serial = issued.serial,
            ttl_seconds = ttl.as_secs(),
            "certificate issued"
        );
        Ok(IstioCertificateResponse {
            cert_chain: issued.chain_pem,
        })
    }

    fn authenticate(&self, metadata: &MetadataMap, remote: &Remote) -> Result<Account, Status> {
        // The caller does not learn what was wrong: that would help only somebody who guesses.
        let refuse = |reason: &str| {
            tracing::warn!(%remote, reason, "certificate request refused");
            Status::unauthenticated("request is not authenticated")
        };
        let mut values = metadata.get_all("authorization").iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(refuse("not exactly one authorization header"));
        };
        let token = value
            .to_str()
            .ok()
            .and_then(|value| value.strip_prefix("Bearer "))
            .ok_or_else(|| refuse("authorization is no bearer token"))?;
        self.tokens
            .verify(token)
            .map_err(|refusal| refuse(&refusal.to_string()))
    }
}

fn ttl_of(seconds: i64) -> Result<Duration, Status> {
    let Ok(seconds) = u64::try_from(seconds) else {
        return Ok(TTL_DEFAULT);
    };
    let ttl = Duration::from_secs(seconds);
    if ttl.is_zero() {
        return Ok(TTL_DEFAULT);
    }
    if !(TTL_MIN..=TTL_MAX).contains(&ttl) {
        return Err(Status::invalid_argument(format!(
            "validity_duration must be within {} and {} seconds",
            TTL_MIN.as_secs(),
            TTL_MAX.as_secs()
        )));
    }
    Ok(ttl)
}

fn internal(error: &(dyn std::error::Error + 'static)) -> Status {
    tracing::error!(error, "certificate cannot be issued");
    Status::internal("certificate cannot be issued")
}

#[cfg(test)]
mod tests;
