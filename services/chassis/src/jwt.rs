//! Tokens of end users, verified before any handler: a layer around the service's routes. No token
//! means no end user; a bad one is refused here. What a user may do is the handlers' business.

mod keys;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::AUTHORIZATION;
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;
use tokio::time::Instant;
use tonic::Status;
use tower::Service;

use crate::caller::{EndUser, Role};
use crate::config::JwtSettings;
use crate::error::{Failure, Kind};

use keys::Keys;

/// Clocks of issuer and service may differ by this much.
const LEEWAY_SECONDS: u64 = 60;
/// A subject is a column and an ordering key.
const SUBJECT_MAX: usize = 255;
/// A token with a few roles and scopes is far below; parsing more is work for nothing.
const TOKEN_MAX: usize = 8 * 1024;

/// Verifies tokens.
pub(crate) struct Verifier {
    keys: Keys,
    validation: Validation,
}

/// Why a token is refused; for the log, never for the caller.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("authorization header is not one bearer token")]
    Form,
    #[error("token names no key")]
    NoKey,
    #[error("key of the token is unknown")]
    UnknownKey,
    #[error("token is not valid")]
    Token(#[source] jsonwebtoken::errors::Error),
    #[error("subject is empty, too long or has control characters")]
    Subject,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    scope: String,
}

/// The routes behind the verification of tokens.
#[derive(Clone)]
pub(crate) struct Authenticated<S> {
    inner: S,
    verifier: Arc<Verifier>,
}

// === impl Verifier ===

impl Verifier {
    pub(crate) fn new(settings: &JwtSettings) -> Self {
        let mut validation = Validation::new(Algorithm::ES256);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        // Without this list only `exp` has to be there at all.
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[&settings.issuer]);
        validation.set_audience(&[&settings.audience]);
        Self {
            keys: Keys::new(settings.jwks_file.clone()),
            validation,
        }
    }

    /// The end user that `token` names. `now` decides when the keys are read again.
    fn verify(&self, token: &str, now: Instant) -> Result<EndUser, Refusal> {
        if token.len() > TOKEN_MAX {
            return Err(Refusal::Form);
        }
        let header = jsonwebtoken::decode_header(token).map_err(Refusal::Token)?;
        let kid = header.kid.ok_or(Refusal::NoKey)?;
        let key = self.keys.find(&kid, now).ok_or(Refusal::UnknownKey)?;
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &self.validation)
            .map_err(Refusal::Token)?
            .claims;
        let printable = !claims.sub.chars().any(char::is_control);
        if claims.sub.is_empty() || claims.sub.len() > SUBJECT_MAX || !printable {
            return Err(Refusal::Subject);
        }
        Ok(EndUser {
            subject: claims.sub,
            roles: claims
                .roles
                .iter()
                .filter_map(|name| Role::of(name))
                .collect(),
            scopes: claims
                .scope
                .split_ascii_whitespace()
                .map(str::to_owned)
                .collect(),
        })
    }

    fn user(&self, headers: &http::HeaderMap) -> Result<Option<EndUser>, Refusal> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(Refusal::Form);
        }
        let text = value.to_str().map_err(|_| Refusal::Form)?;
        let (scheme, token) = text.split_once(' ').ok_or(Refusal::Form)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Refusal::Form);
        }
        self.verify(token.trim(), Instant::now()).map(Some)
    }
}

// === impl Authenticated ===

impl<S> Authenticated<S> {
    pub(crate) fn new(inner: S, verifier: Arc<Verifier>) -> Self {
        Self { inner, verifier }
    }
}

impl<S, B> Service<http::Request<B>> for Authenticated<S>
where
    S: Service<http::Request<B>, Response = http::Response<tonic::body::Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future =
        Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send + 'static>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        // Only what is verified below may stand there.
        request.extensions_mut().remove::<EndUser>();
        match self.verifier.user(request.headers()) {
            Ok(user) => {
                if let Some(user) = user {
                    request.extensions_mut().insert(user);
                }
                Box::pin(self.inner.call(request))
            }
            Err(refusal) => {
                let failure = Failure::new(Kind::Unauthenticated, "the token is not valid")
                    .reason("TOKEN_INVALID")
                    .caused_by(refusal);
                let response = Status::from(failure).into_http();
                Box::pin(std::future::ready(Ok(response)))
            }
        }
    }
}

#[cfg(test)]
mod tests;
