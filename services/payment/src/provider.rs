//! The payment provider: an outside party over HTTP, with a bearer secret and idempotency keys.
//!
//! Every call has one of three answers: it was done, it was refused for good, or nobody knows.
//! What is not known is asked again with the same key, by whoever needs to know; this file never
//! tries twice by itself and never decides what an answer means for a payment.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Deserialize;
use serde_json::{Value, json};
use shop_chassis::Money;
use tracing::Instrument;

use crate::config::ProviderSettings;
use crate::domain::{AuthorizationId, PaymentId, RefundId};

/// One call from the first byte to the last; the contract with the saga counts on it.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// A provider that does not even accept the connection is down; the rest of the time is no use.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Connections that wait for the next call; the provider closes idle ones by itself.
const IDLE_CONNECTIONS_MAX: usize = 16;
/// Answers are a few short fields; a longer one is not from our provider.
const ANSWER_MAX_BYTES: usize = 64 * 1024;
/// Codes go into rows and events; a provider's are short.
const CODE_MAX_CHARS: usize = 64;
/// Card numbers have 12 to 19 digits (ISO/IEC 7812).
const CARD_NUMBER_DIGITS: std::ops::RangeInclusive<usize> = 12..=19;

/// The provider's HTTP client. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Provider {
    http: Client<HttpConnector, Full<Bytes>>,
    url: String,
    bearer: HeaderValue,
}

/// The provider's word for a customer's means of payment. Never a card number, never logged.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PaymentToken(String);

/// What the provider has answered.
#[derive(Debug)]
pub(crate) enum Answer<T> {
    Approved(T),
    /// Refused for good: the same call will be refused again.
    Declined {
        code: String,
    },
    /// It may or may not have been done.
    Unknown(Unclear),
}

/// Why an answer is not known.
#[derive(Debug, thiserror::Error)]
pub enum Unclear {
    #[error("provider answered {0}")]
    Answered(StatusCode),
    #[error("answer of the provider cannot be read")]
    Garbled(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("provider did not answer within {} s", CALL_TIMEOUT.as_secs())]
    TimedOut,
    #[error("provider cannot be reached")]
    Unreachable(#[source] hyper_util::client::legacy::Error),
}

/// The secret or the URL is of no use.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("secret of the provider cannot stand in a header")]
    Secret(#[source] http::header::InvalidHeaderValue),
}

/// The text is a card number, or no token at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("payment token is not one")]
pub(crate) struct NotAToken;

/// An approved authorisation.
#[derive(Deserialize)]
struct Authorized {
    id: String,
}

/// A refusal.
#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    code: String,
}

// === impl Provider ===

impl Provider {
    /// A client that connects when it is first used.
    pub(crate) fn new(settings: &ProviderSettings) -> Result<Self, SettingsError> {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .build(connector);
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", settings.secret))
            .map_err(SettingsError::Secret)?;
        bearer.set_sensitive(true);
        Ok(Self {
            http,
            url: settings.url.trim_end_matches('/').to_owned(),
            bearer,
        })
    }

    /// Holds `amount` for a payment.
    pub(crate) async fn authorize(
        &self,
        payment: PaymentId,
        amount: Money,
        token: &PaymentToken,
    ) -> Answer<AuthorizationId> {
        let body = json!({
            "amount_minor": amount.minor(),
            "currency": amount.currency().code(),
            "payment_token": token.0,
            "reference": payment.to_string(),
        });
        match self
            .call("authorize", payment, "/v1/authorizations", &body, payment.0)
            .await
        {
            Answer::Approved(answer) => match serde_json::from_value::<Authorized>(answer) {
                Ok(authorized) => Answer::Approved(AuthorizationId(authorized.id)),
                Err(error) => Answer::Unknown(Unclear::Garbled(error.into())),
            },
            Answer::Declined { code } => Answer::Declined { code },
            Answer::Unknown(unclear) => Answer::Unknown(unclear),
        }
    }

    /// Takes what is held.
    pub(crate) async fn capture(&self, payment: PaymentId, held: &AuthorizationId) -> Answer<()> {
        let path = format!("/v1/authorizations/{}/capture", held.0);
        self.call("capture", payment, &path, &json!({}), payment.0)
            .await
            .done()
    }

    /// Gives up what is held.
    pub(crate) async fn void(&self, payment: PaymentId, held: &AuthorizationId) -> Answer<()> {
        let path = format!("/v1/authorizations/{}/void", held.0);
        self.call("void", payment, &path, &json!({}), payment.0)
            .await
            .done()
    }

    /// Gives back a part of what was taken.
    pub(crate) async fn refund(
        &self,
        payment: PaymentId,
        held: &AuthorizationId,
        refund: RefundId,
        amount: Money,
    ) -> Answer<()> {
        let body = json!({"authorization_id": held.0, "amount_minor": amount.minor()});
        self.call("refund", payment, "/v1/refunds", &body, refund.0)
            .await
            .done()
    }

    /// One call. Its idempotency key is the operation and the id of what it is done to.
    async fn call(
        &self,
        operation: &'static str,
        payment: PaymentId,
        path: &str,
        body: &Value,
        subject: uuid::Uuid,
    ) -> Answer<Value> {
        let span = tracing::info_span!("provider.call", operation, %payment);
        let request = Request::post(format!("{}{path}", self.url))
            .header(AUTHORIZATION, self.bearer.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("idempotency-key", format!("{operation}-{subject}"))
            .body(Full::from(body.to_string()));
        let request = match request {
            Ok(request) => request,
            // An id that came from the provider does not fit into a path.
            Err(error) => return Answer::Unknown(Unclear::Garbled(error.into())),
        };
        let exchange = tokio::time::timeout(CALL_TIMEOUT, self.exchange(request));
        let answer = match exchange.instrument(span.clone()).await {
            Ok(Ok((status, body))) => judge(status, &body),
            Ok(Err(unclear)) => Answer::Unknown(unclear),
            Err(_) => Answer::Unknown(Unclear::TimedOut),
        };
        span.in_scope(|| answer.log());
        answer
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), Unclear> {
        let response = self
            .http
            .request(request)
            .await
            .map_err(Unclear::Unreachable)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_MAX_BYTES)
            .collect()
            .await
            .map_err(Unclear::Garbled)?;
        Ok((status, body.to_bytes()))
    }
}

// === impl Answer ===

impl Answer<Value> {
    fn done(self) -> Answer<()> {
        match self {
            Self::Approved(_) => Answer::Approved(()),
            Self::Declined { code } => Answer::Declined { code },
            Self::Unknown(unclear) => Answer::Unknown(unclear),
        }
    }

    fn log(&self) {
        match self {
            Self::Approved(_) => tracing::info!("the provider approved"),
            Self::Declined { code } => tracing::info!(code, "the provider refused"),
            // Nobody gets better by waiting when our own secret, request or key is wrong.
            Self::Unknown(Unclear::Answered(status)) if status.is_client_error() => {
                tracing::error!(%status, "the provider does not accept our calls");
            }
            Self::Unknown(unclear) => {
                tracing::warn!(error = unclear as &dyn std::error::Error, "no answer");
            }
        }
    }
}

// === impl PaymentToken ===

impl PaymentToken {
    /// Takes a token, and refuses what looks like a card number.
    pub(crate) fn parse(text: &str) -> Result<Self, NotAToken> {
        let digits = text.chars().filter(char::is_ascii_digit).count();
        let separators = text.chars().filter(|c| *c == ' ' || *c == '-').count();
        let like_a_card =
            CARD_NUMBER_DIGITS.contains(&digits) && digits + separators == text.chars().count();
        if text.is_empty() || like_a_card {
            return Err(NotAToken);
        }
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Debug for PaymentToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PaymentToken(..)")
    }
}

/// What a status says about whether the call was done.
///
/// Only what proves that it was not done, and never will be, is a refusal. A wrong secret, a
/// path that is not there or a key that was used for something else prove nothing.
fn judge(status: StatusCode, body: &[u8]) -> Answer<Value> {
    if status.is_success() {
        return match serde_json::from_slice(body) {
            Ok(answer) => Answer::Approved(answer),
            Err(error) => Answer::Unknown(Unclear::Garbled(error.into())),
        };
    }
    match status {
        StatusCode::BAD_REQUEST
        | StatusCode::PAYMENT_REQUIRED
        | StatusCode::UNPROCESSABLE_ENTITY => Answer::Declined {
            code: code(status, body),
        },
        _ => Answer::Unknown(Unclear::Answered(status)),
    }
}

/// The refusal's code. It goes into rows, events and logs, so it has no digits: what somebody typed
/// as a card number cannot come back in it.
fn code(status: StatusCode, body: &[u8]) -> String {
    let refusal: Refusal = serde_json::from_slice(body).unwrap_or_default();
    let code: String = refusal
        .code
        .chars()
        .filter(|c| c.is_ascii_alphabetic() || *c == '_')
        .take(CODE_MAX_CHARS)
        .collect();
    if code.is_empty() {
        format!("http_{}", status.as_u16())
    } else {
        code
    }
}

#[cfg(test)]
pub(crate) mod tests;
