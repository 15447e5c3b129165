//! Tokens that are accepted, and every way in which one is not.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use http::{HeaderMap, HeaderValue};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Refusal, Verifier};
use crate::caller::{EndUser, Role};
use crate::config::JwtSettings;

/// An issuer with one key, and a verifier that reads its file.
struct Issuer {
    pkcs8: Vec<u8>,
    public: Vec<u8>,
    file: PathBuf,
}

impl Issuer {
    fn new() -> Self {
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
                .unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
        let file = std::env::temp_dir().join(format!("jwks-{}.json", Uuid::now_v7()));
        let issuer = Self {
            pkcs8: pkcs8.as_ref().to_vec(),
            public: pair.public_key().as_ref().to_vec(),
            file,
        };
        issuer.publish(&json!({"keys": [issuer.jwk("k1", "ES256")]}));
        issuer
    }

    fn jwk(&self, kid: &str, alg: &str) -> Value {
        // An uncompressed point: 4, x, y.
        let (x, y) = (
            BASE64.encode(&self.public[1..33]),
            BASE64.encode(&self.public[33..]),
        );
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": alg, "kid": kid, "x": x, "y": y})
    }

    fn publish(&self, set: &Value) {
        fs::write(&self.file, set.to_string()).unwrap();
    }

    fn verifier(&self) -> Verifier {
        Verifier::new(&JwtSettings {
            jwks_file: self.file.clone(),
            issuer: "https://dev.tradewind.local".to_owned(),
            audience: "tradewind".to_owned(),
        })
    }

    fn sign(&self, kid: Option<&str>, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = kid.map(str::to_owned);
        encode(&header, claims, &EncodingKey::from_ec_der(&self.pkcs8)).unwrap()
    }

    fn refuses(&self, claims: &Value) -> Refusal {
        self.verifier()
            .check(&self.sign(Some("k1"), claims))
            .unwrap_err()
    }
}

impl Verifier {
    fn check(&self, token: &str) -> Result<EndUser, Refusal> {
        self.verify(token, Instant::now())
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

fn claims() -> Value {
    let now = get_current_timestamp();
    json!({
        "iss": "https://dev.tradewind.local", "aud": ["tradewind"], "sub": "c1",
        "roles": ["customer", "wizard"], "scope": "orders:write orders:read",
        "iat": now, "exp": now + 3600
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

#[test]
fn a_good_token_names_its_user() {
    let issuer = Issuer::new();
    let user = issuer
        .verifier()
        .check(&issuer.sign(Some("k1"), &claims()))
        .unwrap();
    assert_eq!(user.subject, "c1");
    assert_eq!(user.roles, [Role::Customer], "unknown roles give nothing");
    assert_eq!(user.scopes, ["orders:write", "orders:read"]);
}

#[test]
fn a_token_without_a_signature_is_refused() {
    let issuer = Issuer::new();
    let verifier = issuer.verifier();
    let body = BASE64.encode(claims().to_string());
    for alg in ["none", "None", "NONE"] {
        let header = BASE64.encode(json!({"alg": alg, "kid": "k1"}).to_string());
        assert!(
            verifier.check(&format!("{header}.{body}.")).is_err(),
            "{alg}"
        );
    }
    let signed = issuer.sign(Some("k1"), &claims());
    let (head, _) = signed.rsplit_once('.').unwrap();
    assert!(verifier.check(&format!("{head}.")).is_err());
}

#[test]
fn the_public_key_is_no_shared_secret() {
    let issuer = Issuer::new();
    let verifier = issuer.verifier();
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("k1".to_owned());
    let jwk = issuer.jwk("k1", "ES256").to_string();
    for secret in [issuer.public.as_slice(), jwk.as_bytes()] {
        let token = encode(&header, &claims(), &EncodingKey::from_secret(secret)).unwrap();
        assert!(matches!(verifier.check(&token), Err(Refusal::Token(_))));
    }
}

#[test]
fn a_key_that_the_issuer_does_not_have_is_refused() {
    let (issuer, foreign) = (Issuer::new(), Issuer::new());
    let verifier = issuer.verifier();
    assert!(matches!(
        verifier.check(&foreign.sign(Some("k1"), &claims())),
        Err(Refusal::Token(_))
    ));
    assert!(matches!(
        verifier.check(&issuer.sign(Some("k2"), &claims())),
        Err(Refusal::UnknownKey)
    ));
    assert!(matches!(
        verifier.check(&issuer.sign(None, &claims())),
        Err(Refusal::NoKey)
    ));
}

#[test]
fn a_key_for_another_purpose_verifies_nothing() {
    let issuer = Issuer::new();
    let mut for_encryption = issuer.jwk("k1", "ES256");
    for_encryption["use"] = json!("enc");
    for set in [
        json!({"keys": [for_encryption]}),
        json!({"keys": [issuer.jwk("k1", "ES384")]}),
    ] {
        issuer.publish(&set);
        assert!(
            matches!(issuer.refuses(&claims()), Refusal::UnknownKey),
            "{set}"
        );
    }
}

#[test]
fn another_issuer_or_audience_is_refused() {
    let issuer = Issuer::new();
    assert!(matches!(
        issuer.refuses(&with("iss", json!("https://evil"))),
        Refusal::Token(_)
    ));
    assert!(matches!(
        issuer.refuses(&with("aud", json!(["another"]))),
        Refusal::Token(_)
    ));
}

#[test]
fn times_are_kept_within_a_minute() {
    let issuer = Issuer::new();
    let now = get_current_timestamp();
    assert!(matches!(
        issuer.refuses(&with("exp", json!(now - 120))),
        Refusal::Token(_)
    ));
    assert!(matches!(
        issuer.refuses(&with("nbf", json!(now + 120))),
        Refusal::Token(_)
    ));
    let verifier = issuer.verifier();
    for nearly in [with("exp", json!(now - 30)), with("nbf", json!(now + 30))] {
        assert!(verifier.check(&issuer.sign(Some("k1"), &nearly)).is_ok());
    }
}

#[test]
fn a_missing_claim_is_refused() {
    let issuer = Issuer::new();
    for name in ["iss", "aud", "sub", "exp"] {
        assert!(
            matches!(issuer.refuses(&without(name)), Refusal::Token(_)),
            "{name}"
        );
    }
}

#[test]
fn a_subject_that_no_row_can_hold_is_refused() {
    let issuer = Issuer::new();
    for subject in ["", "c1\0", "c1\n", &"x".repeat(256)] {
        assert!(matches!(
            issuer.refuses(&with("sub", json!(subject))),
            Refusal::Subject
        ));
    }
}

#[test]
fn garbage_is_refused_without_a_panic() {
    let issuer = Issuer::new();
    let verifier = issuer.verifier();
    for garbage in ["", ".", "..", "a.b.c", "\u{1F600}", &"A".repeat(10_000)] {
        assert!(verifier.check(garbage).is_err());
    }
}

#[test]
fn only_one_bearer_token_is_a_token() {
    let issuer = Issuer::new();
    let verifier = issuer.verifier();
    let token = issuer.sign(Some("k1"), &claims());
    let headers = |values: &[&str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("authorization", HeaderValue::from_str(value).unwrap());
        }
        headers
    };
    let bearer = format!("Bearer {token}");
    assert!(verifier.user(&headers(&[])).unwrap().is_none());
    assert!(verifier.user(&headers(&[&bearer])).unwrap().is_some());
    assert!(
        verifier
            .user(&headers(&[&format!("bearer {token}")]))
            .unwrap()
            .is_some()
    );
    for wrong in [
        vec![bearer.as_str(), bearer.as_str()],
        vec![&token],
        vec!["Basic YTpi"],
        vec![""],
    ] {
        assert!(
            matches!(verifier.user(&headers(&wrong)), Err(Refusal::Form)),
            "{wrong:?}"
        );
    }
}

#[test]
fn a_new_key_is_found_within_a_minute_and_asked_for_once() {
    let (issuer, next) = (Issuer::new(), Issuer::new());
    let verifier = issuer.verifier();
    let mut now = Instant::now();
    assert!(
        verifier
            .verify(&issuer.sign(Some("k1"), &claims()), now)
            .is_ok()
    );

    let rotated = json!({"keys": [issuer.jwk("k1", "ES256"), next.jwk("k2", "ES256")]});
    issuer.publish(&rotated);
    let modified = fs::metadata(&issuer.file).unwrap().modified().unwrap();
    let file = fs::File::options().write(true).open(&issuer.file).unwrap();
    file.set_modified(modified + Duration::from_secs(1))
        .unwrap();

    let token = next.sign(Some("k2"), &claims());
    assert!(
        matches!(verifier.verify(&token, now), Err(Refusal::UnknownKey)),
        "looked at just now"
    );
    now += Duration::from_secs(61);
    assert!(verifier.verify(&token, now).is_ok());
}

#[test]
fn a_broken_file_leaves_the_last_good_keys() {
    let issuer = Issuer::new();
    let verifier = issuer.verifier();
    let mut now = Instant::now();
    let token = issuer.sign(Some("k1"), &claims());
    assert!(verifier.verify(&token, now).is_ok());
    for broken in ["", "{", "{\"keys\": 7}"] {
        fs::write(&issuer.file, broken).unwrap();
        now += Duration::from_secs(61);
        assert!(verifier.verify(&token, now).is_ok());
    }
    fs::remove_file(&issuer.file).unwrap();
    now += Duration::from_secs(61);
    assert!(verifier.verify(&token, now).is_ok());
}
