//! HTTP in front of the book: who may ask, what a request says, which answer goes out and when.
//! Nothing is decided here about money.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::book::{Answer, Command, Entry, Known, NewAuthorization};
use crate::config::Config;
use crate::error::Error;
use crate::journal::Journal;

/// A request is a few short fields.
const BODY_MAX_BYTES: usize = 16 * 1024;
/// As long as the keys that the shop itself accepts.
const KEY_MAX_BYTES: usize = 255;
/// References are ids; a longer one is a mistake.
const REFERENCE_MAX_BYTES: usize = 255;

/// The simulator behind its sockets.
pub(crate) struct Api {
    secret: String,
    silence: Duration,
    journal: Arc<Mutex<Journal>>,
    shutdown: CancellationToken,
}

/// An answer, and how long it is held back.
struct Reply {
    answer: Answer,
    silent: bool,
}

/// Body of `POST /v1/refunds`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRefund {
    authorization_id: String,
    amount_minor: i64,
}

// === impl Api ===

impl Api {
    pub(crate) fn new(config: Config, journal: Journal, shutdown: CancellationToken) -> Self {
        Self {
            secret: config.secret,
            silence: config.silence,
            journal: Arc::new(Mutex::new(journal)),
            shutdown,
        }
    }

    /// Answers one request; it never fails, because every failure is an answer.
    pub(crate) async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let reply = match self.reply(request).await {
            Ok(reply) => reply,
            Err(answer) => Reply {
                answer,
                silent: false,
            },
        };
        if reply.silent {
            tracing::info!(%method, path, seconds = self.silence.as_secs(), "answers nothing");
            tokio::select! {
                () = tokio::time::sleep(self.silence) => {}
                () = self.shutdown.cancelled() => {}
            }
        }
        tracing::info!(%method, path, status = reply.answer.status, "answered");
        Ok(response(&reply.answer))
    }

    async fn reply(&self, request: Request<Incoming>) -> Result<Reply, Answer> {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        if head.method == Method::GET && path == "/healthz" {
            return Ok(at_once(Answer {
                status: 200,
                body: serde_json::json!({"status": "ok"}),
            }));
        }
        self.authenticate(&head.headers)?;
        if head.method == Method::GET && path == "/v1/ledger" {
            let body = lock(&self.journal).book().ledger();
            return Ok(at_once(Answer { status: 200, body }));
        }
        if head.method != Method::POST {
            return Err(Answer::refusal(404, "not_found", "no such resource"));
        }
        let key = idempotency_key(&head.headers)?;
        let body = Limited::new(body, BODY_MAX_BYTES)
            .collect()
            .await
            .map_err(|_| invalid("the body is too long or was cut off"))?
            .to_bytes();
        let command = parse(path, &body)?;
        let fingerprint = fingerprint(path, &body);
        let journal = Arc::clone(&self.journal);
        // The disk is waited for, so not on a thread that serves others.
        tokio::task::spawn_blocking(move || decide(&journal, key, fingerprint, &command))
            .await
            .map_err(|error| internal(&error))?
            .map_err(|error| internal(&error))
    }

    fn authenticate(&self, headers: &HeaderMap) -> Result<(), Answer> {
        let given = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
            .unwrap_or_default();
        // Hashes of equal length are compared, so that the time says nothing about the secret.
        if Sha256::digest(given) == Sha256::digest(self.secret.as_bytes()) {
            return Ok(());
        }
        Err(Answer::refusal(
            401,
            "unauthorized",
            "the bearer secret is missing or wrong",
        ))
    }
}

/// One key, one decision: looked up, decided and written down under the same lock.
fn decide(
    journal: &Mutex<Journal>,
    key: String,
    fingerprint: String,
    command: &Command,
) -> Result<Reply, Error> {
    let mut journal = lock(journal);
    match journal.book().known(&key, &fingerprint) {
        Known::Repeated(answer) => return Ok(at_once(answer)),
        Known::Reused => {
            let message = "another request was made under this idempotency key";
            return Ok(at_once(Answer::refusal(
                409,
                "idempotency_key_reused",
                message,
            )));
        }
        Known::New => {}
    }
    let (answer, change) = journal
        .book()
        .decide(command, &Uuid::now_v7().simple().to_string());
    journal.record(Entry {
        key,
        fingerprint,
        answer: answer.clone(),
        change,
    })?;
    let silent = matches!(command, Command::Authorize(wanted) if wanted.is_silent());
    Ok(Reply { answer, silent })
}

fn parse(path: &str, body: &[u8]) -> Result<Command, Answer> {
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match segments.as_slice() {
        ["v1", "authorizations"] => authorization(body),
        ["v1", "authorizations", id, "capture"] => Ok(Command::Capture {
            id: (*id).to_owned(),
        }),
        ["v1", "authorizations", id, "void"] => Ok(Command::Void {
            id: (*id).to_owned(),
        }),
        ["v1", "refunds"] => {
            let wanted: NewRefund =
                serde_json::from_slice(body).map_err(|_| invalid("the body is not a refund"))?;
            positive(wanted.amount_minor)?;
            Ok(Command::Refund {
                authorization_id: wanted.authorization_id,
                amount_minor: wanted.amount_minor,
            })
        }
        _ => Err(Answer::refusal(404, "not_found", "no such resource")),
    }
}

fn authorization(body: &[u8]) -> Result<Command, Answer> {
    let wanted: NewAuthorization =
        serde_json::from_slice(body).map_err(|_| invalid("the body is not an authorization"))?;
    positive(wanted.amount_minor)?;
    if wanted.currency.len() != 3 || !wanted.currency.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(invalid("currency is not a code of three letters"));
    }
    if wanted.reference.is_empty() || wanted.reference.len() > REFERENCE_MAX_BYTES {
        return Err(invalid("reference is empty or too long"));
    }
    Ok(Command::Authorize(wanted))
}

fn positive(amount_minor: i64) -> Result<(), Answer> {
    if amount_minor > 0 {
        return Ok(());
    }
    Err(invalid("amount_minor is not more than zero"))
}

fn idempotency_key(headers: &HeaderMap) -> Result<String, Answer> {
    let key = headers
        .get("idempotency-key")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if key.is_empty() || key.len() > KEY_MAX_BYTES {
        let message = "the header Idempotency-Key is missing, too long or not printable ASCII";
        return Err(Answer::refusal(400, "idempotency_key_missing", message));
    }
    Ok(key.to_owned())
}

/// A hash, because a body carries a payment token and the journal must not.
fn fingerprint(path: &str, body: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(path.as_bytes());
    hash.update([0]);
    hash.update(body);
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn at_once(answer: Answer) -> Reply {
    Reply {
        answer,
        silent: false,
    }
}

fn invalid(message: &str) -> Answer {
    Answer::refusal(400, "invalid_request", message)
}

fn internal(error: &(dyn std::error::Error + 'static)) -> Answer {
    tracing::error!(error, "a request could not be decided");
    Answer::refusal(500, "internal", "the simulator failed")
}

/// A poisoned lock is taken as it is: `Journal::record` leaves it whole at every step.
fn lock(journal: &Mutex<Journal>) -> MutexGuard<'_, Journal> {
    journal.lock().unwrap_or_else(PoisonError::into_inner)
}

fn response(answer: &Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(answer.body.to_string()));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(
        CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    response
}
