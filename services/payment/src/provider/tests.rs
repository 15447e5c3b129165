//! Against the real simulator, in this process and behind real sockets.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::Value;
use shop_chassis::Currency;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::*;

const SECRET: &str = "s3cret";

/// A provider of its own for one test, gone with the value.
pub(crate) struct Psp {
    address: SocketAddr,
    shutdown: CancellationToken,
    state_file: PathBuf,
}

impl Psp {
    /// Starts it; `tok_timeout` stays silent for longer than any test waits.
    pub(crate) async fn start() -> Self {
        let shutdown = CancellationToken::new();
        let state_file = std::env::temp_dir().join(format!("psp-{}.json", Uuid::now_v7()));
        let config = shop_sim::Config {
            bind_address: SocketAddr::from(([127, 0, 0, 1], 0)),
            secret: SECRET.to_owned(),
            state_file: state_file.clone(),
            silence: Duration::from_secs(600),
            log_filter: "info".to_owned(),
        };
        let running = shop_sim::run(config, shutdown.clone()).await.unwrap();
        Self {
            address: running.address(),
            shutdown,
            state_file,
        }
    }

    pub(crate) fn client(&self) -> Provider {
        client_of(self.address, SECRET)
    }

    /// What the provider says it holds, took and gave back.
    pub(crate) async fn ledger(&self) -> Vec<Value> {
        let client = self.client();
        let request = Request::get(format!("{}/v1/ledger", client.url))
            .header(AUTHORIZATION, client.bearer.clone())
            .body(Full::default())
            .unwrap();
        let (_, body) = client.exchange(request).await.unwrap();
        let ledger: Value = serde_json::from_slice(&body).unwrap();
        ledger["authorizations"].as_array().unwrap().clone()
    }
}

impl Drop for Psp {
    fn drop(&mut self) {
        self.shutdown.cancel();
        let _ = std::fs::remove_file(&self.state_file);
    }
}

fn client_of(address: SocketAddr, secret: &str) -> Provider {
    let url = format!("http://{address}");
    Provider::new(&ProviderSettings {
        url,
        secret: secret.to_owned(),
    })
    .unwrap()
}

/// A provider that answers everything with `status` and `body`.
async fn answering(status: &'static str, body: &'static str) -> Provider {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut seen = Vec::new();
            while !seen.ends_with(b"}") && stream.read_buf(&mut seen).await.unwrap() > 0 {}
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    client_of(address, SECRET)
}

fn token(text: &str) -> PaymentToken {
    PaymentToken::parse(text).unwrap()
}

fn payment() -> PaymentId {
    PaymentId(Uuid::now_v7())
}

fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::of("EUR").unwrap())
}

async fn authorize(provider: &Provider, id: PaymentId, text: &str) -> Answer<AuthorizationId> {
    provider.authorize(id, eur(1000), &token(text)).await
}

fn approved<T: std::fmt::Debug>(answer: Answer<T>) -> T {
    match answer {
        Answer::Approved(value) => value,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn money_is_held_taken_and_given_back() {
    let psp = Psp::start().await;
    let (provider, id) = (psp.client(), payment());
    let held = approved(authorize(&provider, id, "tok_ok").await);
    approved(provider.capture(id, &held).await);
    let refund = RefundId(Uuid::now_v7());
    approved(provider.refund(id, &held, refund, eur(300)).await);
    approved(provider.refund(id, &held, refund, eur(300)).await);
    let ledger = psp.ledger().await;
    assert_eq!(ledger[0]["reference"], id.to_string());
    assert_eq!(ledger[0]["captured_minor"], 1000);
    assert_eq!(
        ledger[0]["refunded_minor"], 300,
        "the same refund was given twice"
    );
}

#[tokio::test]
async fn silence_is_unknown_and_the_same_key_finds_the_one_authorisation() {
    let psp = Psp::start().await;
    let (provider, id) = (psp.client(), payment());
    let first = authorize(&provider, id, "tok_timeout").await;
    assert!(
        matches!(first, Answer::Unknown(Unclear::TimedOut)),
        "{first:?}"
    );
    approved(authorize(&provider, id, "tok_timeout").await);
    assert_eq!(psp.ledger().await.len(), 1);
}

#[tokio::test]
async fn declined_card_is_a_refusal_with_its_code() {
    let psp = Psp::start().await;
    let answer = authorize(&psp.client(), payment(), "tok_declined").await;
    assert!(matches!(answer, Answer::Declined { code } if code == "card_declined"));
    assert!(psp.ledger().await.is_empty());
}

#[tokio::test]
async fn capture_after_void_is_a_refusal() {
    let psp = Psp::start().await;
    let (provider, id) = (psp.client(), payment());
    let held = approved(authorize(&provider, id, "tok_ok").await);
    approved(provider.void(id, &held).await);
    let answer = provider.capture(id, &held).await;
    assert!(matches!(answer, Answer::Declined { code } if code == "invalid_state"));
}

#[tokio::test]
async fn only_proof_that_nothing_happened_is_a_refusal() {
    for (status, known) in [
        ("400 Bad Request", true),
        ("402 Payment Required", true),
        ("422 Unprocessable Entity", true),
        ("401 Unauthorized", false),
        ("404 Not Found", false),
        ("408 Request Timeout", false),
        ("409 Conflict", false),
        ("429 Too Many Requests", false),
        ("500 Internal Server Error", false),
        ("503 Service Unavailable", false),
    ] {
        let provider = answering(status, "{}").await;
        let answer = authorize(&provider, payment(), "tok_ok").await;
        let refused = matches!(answer, Answer::Declined { .. });
        assert_eq!(refused, known, "{status}: {answer:?}");
        assert!(!matches!(answer, Answer::Approved(_)), "{status}");
    }
}

#[tokio::test]
async fn success_that_cannot_be_read_is_unknown() {
    for body in ["", "not json", "{}", "[]"] {
        let provider = answering("201 Created", body).await;
        let answer = authorize(&provider, payment(), "tok_ok").await;
        assert!(
            matches!(answer, Answer::Unknown(Unclear::Garbled(_))),
            "{body}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn code_of_a_refusal_is_cleaned_before_it_is_kept() {
    let provider = answering(
        "402 Payment Required",
        r#"{"code":"bad\r\n<card 4111111111111111>"}"#,
    )
    .await;
    let answer = authorize(&provider, payment(), "tok_ok").await;
    assert!(matches!(answer, Answer::Declined { code } if code == "badcard"));
}

#[tokio::test]
async fn provider_that_is_down_is_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let provider = client_of(listener.local_addr().unwrap(), SECRET);
    drop(listener);
    let answer = authorize(&provider, payment(), "tok_ok").await;
    assert!(
        matches!(answer, Answer::Unknown(Unclear::Unreachable(_))),
        "{answer:?}"
    );
}

#[tokio::test]
async fn wrong_secret_is_unknown_and_not_the_customers_fault() {
    let psp = Psp::start().await;
    let provider = client_of(psp.address, "wrong");
    let answer = authorize(&provider, payment(), "tok_ok").await;
    assert!(
        matches!(answer, Answer::Unknown(Unclear::Answered(_))),
        "{answer:?}"
    );
}

#[test]
fn card_numbers_are_no_tokens() {
    for text in [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "123456789012",
        "",
    ] {
        assert_eq!(PaymentToken::parse(text), Err(NotAToken), "{text}");
    }
    for text in ["tok_ok", "tok_4111111111111111", "12345678901", "tok-1"] {
        assert!(PaymentToken::parse(text).is_ok(), "{text}");
    }
}

#[test]
fn token_is_not_shown() {
    assert!(!format!("{:?}", token("tok_secret")).contains("secret"));
}
