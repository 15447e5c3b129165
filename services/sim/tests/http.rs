//! The simulator over real sockets: what a client sees, also across a restart.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use shop_sim::{Config, Running};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

const SECRET: &str = "s3cret";
/// Longer than any of these tests waits: whoever answers before it did not wait for it.
const NEVER: Duration = Duration::from_secs(600);
const PATIENCE: Duration = Duration::from_secs(10);

struct Sim {
    state_file: PathBuf,
    running: Running,
    shutdown: CancellationToken,
}

impl Sim {
    async fn start(silence: Duration) -> Self {
        let name = format!("psp-sim-{}.json", uuid::Uuid::now_v7());
        Self::start_on(
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name),
            silence,
        )
        .await
    }

    async fn start_on(state_file: PathBuf, silence: Duration) -> Self {
        let shutdown = CancellationToken::new();
        let config = Config {
            bind_address: SocketAddr::from(([127, 0, 0, 1], 0)),
            secret: SECRET.to_owned(),
            state_file: state_file.clone(),
            silence,
            log_filter: "info".to_owned(),
        };
        let running = shop_sim::run(config, shutdown.clone()).await.unwrap();
        Self {
            state_file,
            running,
            shutdown,
        }
    }

    async fn restart(self, silence: Duration) -> Self {
        let state_file = self.state_file.clone();
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.running.ended())
            .await
            .unwrap();
        Self::start_on(state_file, silence).await
    }

    async fn post(&self, path: &str, key: &str, body: Value) -> (u16, Value) {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header("host", "psp")
            .header("authorization", format!("Bearer {SECRET}"))
            .header("idempotency-key", key)
            .body(Full::from(body.to_string()))
            .unwrap();
        self.send(request).await
    }

    async fn get(&self, path: &str, secret: &str) -> (u16, Value) {
        let request = Request::builder()
            .uri(path)
            .header("host", "psp")
            .header("authorization", format!("Bearer {secret}"))
            .body(Full::default())
            .unwrap();
        self.send(request).await
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> (u16, Value) {
        let stream = TcpStream::connect(self.running.address()).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let response = sender.send_request(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    async fn authorize(&self, key: &str, token: &str) -> (u16, Value) {
        self.post("/v1/authorizations", key, authorization(token))
            .await
    }
}

fn authorization(token: &str) -> Value {
    json!({"amount_minor": 1250, "currency": "EUR", "payment_token": token, "reference": "p1"})
}

#[tokio::test]
async fn money_is_authorised_captured_and_refunded() {
    let sim = Sim::start(NEVER).await;
    let (status, held) = sim.authorize("a", "tok_ok").await;
    assert_eq!((status, held["status"].as_str()), (201, Some("authorized")));
    let id = held["id"].as_str().unwrap();

    let path = format!("/v1/authorizations/{id}/capture");
    assert_eq!(sim.post(&path, "c", json!({})).await.0, 200);
    let refund = json!({"authorization_id": id, "amount_minor": 250});
    assert_eq!(sim.post("/v1/refunds", "r", refund).await.0, 201);

    let (_, ledger) = sim.get("/v1/ledger", SECRET).await;
    let row = &ledger["authorizations"][0];
    assert_eq!(row["captured_minor"], 1250);
    assert_eq!(row["refunded_minor"], 250);
}

#[tokio::test]
async fn voided_authorisation_cannot_be_captured() {
    let sim = Sim::start(NEVER).await;
    let (_, held) = sim.authorize("a", "tok_ok").await;
    let id = held["id"].as_str().unwrap();
    assert_eq!(
        sim.post(&format!("/v1/authorizations/{id}/void"), "v", json!({}))
            .await
            .0,
        200
    );
    let (status, body) = sim
        .post(&format!("/v1/authorizations/{id}/capture"), "c", json!({}))
        .await;
    assert_eq!(
        (status, body["code"].as_str()),
        (422, Some("invalid_state"))
    );
}

#[tokio::test]
async fn declined_and_unknown_tokens_are_402() {
    let sim = Sim::start(NEVER).await;
    let (status, body) = sim.authorize("a", "tok_declined").await;
    assert_eq!(
        (status, body["code"].as_str()),
        (402, Some("card_declined"))
    );
    let (status, body) = sim.authorize("b", "4111111111111111").await;
    assert_eq!(
        (status, body["code"].as_str()),
        (402, Some("invalid_token"))
    );
    let journal = std::fs::read_to_string(&sim.state_file).unwrap();
    assert!(!journal.contains("4111"), "a card number was stored");
}

#[tokio::test]
async fn silent_token_answers_at_once_when_the_same_key_asks_again() {
    let sim = Sim::start(NEVER).await;
    let first = sim.authorize("a", "tok_timeout");
    assert!(
        tokio::time::timeout(Duration::from_millis(300), first)
            .await
            .is_err()
    );

    let asked = Instant::now();
    let (status, held) = sim.authorize("a", "tok_timeout").await;
    assert_eq!(status, 201);
    assert!(asked.elapsed() < PATIENCE);
    let (_, again) = sim.authorize("a", "tok_timeout").await;
    assert_eq!(held["id"], again["id"]);
    let (_, ledger) = sim.get("/v1/ledger", SECRET).await;
    assert_eq!(ledger["authorizations"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn silent_token_is_silent_for_as_long_as_the_setting_says() {
    let silence = Duration::from_millis(200);
    let sim = Sim::start(silence).await;
    let asked = Instant::now();
    assert_eq!(sim.authorize("a", "tok_timeout").await.0, 201);
    assert!(asked.elapsed() >= silence);
}

#[tokio::test]
async fn book_and_keys_survive_a_restart() {
    let sim = Sim::start(NEVER).await;
    let (_, held) = sim.authorize("a", "tok_ok").await;
    let (_, refused) = sim.authorize("d", "tok_declined").await;
    let sim = sim.restart(NEVER).await;

    assert_eq!(sim.authorize("a", "tok_ok").await, (201, held.clone()));
    assert_eq!(sim.authorize("d", "tok_declined").await, (402, refused));
    let path = format!(
        "/v1/authorizations/{}/capture",
        held["id"].as_str().unwrap()
    );
    assert_eq!(sim.post(&path, "c", json!({})).await.0, 200);
}

#[tokio::test]
async fn restart_does_not_wait_for_a_silent_request() {
    let sim = Sim::start(NEVER).await;
    let first = sim.authorize("a", "tok_timeout");
    assert!(
        tokio::time::timeout(Duration::from_millis(300), first)
            .await
            .is_err()
    );
    let sim = sim.restart(NEVER).await;
    assert_eq!(sim.authorize("a", "tok_timeout").await.0, 201);
}

#[tokio::test]
async fn key_reused_for_another_body_is_409() {
    let sim = Sim::start(NEVER).await;
    assert_eq!(sim.authorize("a", "tok_ok").await.0, 201);
    let (status, body) = sim.authorize("a", "tok_declined").await;
    assert_eq!(
        (status, body["code"].as_str()),
        (409, Some("idempotency_key_reused"))
    );
}

#[tokio::test]
async fn parallel_requests_with_one_key_make_one_authorisation() {
    let sim = std::sync::Arc::new(Sim::start(NEVER).await);
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let sim = std::sync::Arc::clone(&sim);
        asking.spawn(async move { sim.authorize("a", "tok_ok").await });
    }
    let answers = asking.join_all().await;
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    let (_, ledger) = sim.get("/v1/ledger", SECRET).await;
    assert_eq!(ledger["authorizations"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn wrong_or_missing_secret_is_401() {
    let sim = Sim::start(NEVER).await;
    assert_eq!(sim.get("/v1/ledger", "wrong").await.0, 401);
    assert_eq!(sim.get("/v1/ledger", "").await.0, 401);
    let request = Request::post("/v1/authorizations")
        .header("host", "psp")
        .header("idempotency-key", "a")
        .body(Full::from(authorization("tok_ok").to_string()))
        .unwrap();
    assert_eq!(sim.send(request).await.0, 401);
    let (_, ledger) = sim.get("/v1/ledger", SECRET).await;
    assert_eq!(ledger["authorizations"], json!([]));
}

#[tokio::test]
async fn missing_key_is_400() {
    let sim = Sim::start(NEVER).await;
    let (status, body) = sim
        .post("/v1/authorizations", "", authorization("tok_ok"))
        .await;
    assert_eq!(
        (status, body["code"].as_str()),
        (400, Some("idempotency_key_missing"))
    );
}

#[tokio::test]
async fn bad_bodies_are_400_and_leave_the_key_free() {
    let sim = Sim::start(NEVER).await;
    let mut negative = authorization("tok_ok");
    negative["amount_minor"] = json!(-1);
    let mut card = authorization("tok_ok");
    card["card_number"] = json!("4111111111111111");
    let mut currency = authorization("tok_ok");
    currency["currency"] = json!("euro");
    for body in [
        negative,
        card,
        currency,
        json!({}),
        json!("x".repeat(20_000)),
    ] {
        let (status, answer) = sim.post("/v1/authorizations", "a", body).await;
        assert_eq!(
            (status, answer["code"].as_str()),
            (400, Some("invalid_request"))
        );
    }
    assert_eq!(sim.authorize("a", "tok_ok").await.0, 201);
}

#[tokio::test]
async fn health_needs_no_secret_and_other_paths_are_not_found() {
    let sim = Sim::start(NEVER).await;
    assert_eq!(sim.get("/healthz", "wrong").await.0, 200);
    assert_eq!(sim.get("/v1/cards", SECRET).await.0, 404);
    assert_eq!(sim.post("/v1/cards", "a", json!({})).await.0, 404);
}
