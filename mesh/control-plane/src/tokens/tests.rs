//! Which tokens prove an account: ours, in their time, for this purpose, and no others.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use mesh_dataplane::Env;
use rcgen::KeyPair;
use serde_json::{Value, json};

use super::{TokenFiles, TokenKey};
use crate::config::{Account, Config};

fn config(token_dir: &Path) -> Config {
    let mut env = Env::from_pairs([
        ("MESHD_BIND_ADDRESS", "127.0.0.1"),
        ("MESHD_STATE_DIR", "unused"),
        ("MESHD_ROOT_FILE", "unused"),
        ("MESHD_TOKEN_DIR", token_dir.to_str().unwrap()),
        ("MESHD_ACCOUNTS", "shop/order,shop/debug"),
    ]);
    let config = Config::from_env(&mut env);
    env.finish().unwrap();
    config
}

fn key() -> (TokenKey, String) {
    let pem = KeyPair::generate().unwrap().serialize_pem();
    let key = TokenKey::from_pem(&pem, &config(Path::new("unused"))).unwrap();
    (key, pem)
}

fn order() -> Account {
    Account {
        namespace: "shop".to_owned(),
        name: "order".to_owned(),
    }
}

fn epoch_seconds() -> u64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since_epoch.unwrap().as_secs()
}

/// The claims of a good token.
fn claims() -> Value {
    let now = epoch_seconds();
    json!({
        "iss": "meshd",
        "sub": "system:serviceaccount:shop:order",
        "aud": ["istio-ca"],
        "iat": now,
        "nbf": now,
        "exp": now + 600,
    })
}

fn signed(claims: &Value, pem: &str) -> String {
    let key = EncodingKey::from_ec_pem(pem.as_bytes()).unwrap();
    jsonwebtoken::encode(&Header::new(Algorithm::ES256), claims, &key).unwrap()
}

#[test]
fn a_minted_token_proves_its_account() {
    let (key, _) = key();
    let token = key.mint(&order(), SystemTime::now()).unwrap();
    assert_eq!(key.verify(&token).unwrap(), order());
}

#[test]
fn a_token_is_of_use_only_in_its_time() {
    let (key, _) = key();
    let old = SystemTime::now() - Duration::from_secs(601);
    let early = SystemTime::now() + Duration::from_secs(60);
    for (time, reason) in [(old, "ExpiredSignature"), (early, "ImmatureSignature")] {
        let token = key.mint(&order(), time).unwrap();
        let refusal = key.verify(&token).unwrap_err().to_string();
        assert!(refusal.contains(reason), "{refusal}");
    }
}

#[test]
fn a_good_token_made_by_hand_is_taken() {
    let (key, pem) = key();
    assert_eq!(key.verify(&signed(&claims(), &pem)).unwrap(), order());
}

#[test]
fn a_token_with_a_wrong_or_missing_claim_is_refused() {
    let (key, pem) = key();
    for (claim, value) in [
        ("iss", json!("kubernetes")),
        ("iss", json!("meshd.evil")),
        ("iss", json!(["other"])),
        ("iss", Value::Null),
        ("aud", json!(["kafka"])),
        ("aud", json!(["istio-ca-2"])),
        ("aud", json!([])),
        ("aud", Value::Null),
        ("exp", json!("tomorrow")),
        ("exp", json!(-1)),
        ("exp", json!(1e300)),
        ("exp", json!(epoch_seconds() - 1)),
        ("exp", Value::Null),
        ("nbf", json!(epoch_seconds() + 60)),
        ("nbf", Value::Null),
        ("sub", json!("system:serviceaccount:shop")),
        ("sub", json!("system:serviceaccount:shop:order:extra")),
        ("sub", json!("system:serviceaccount:shop:unknown")),
        ("sub", json!("system:serviceaccount:mesh-system:meshd")),
        ("sub", json!("system:node:shop:order")),
        ("sub", json!("order")),
        ("sub", json!("")),
        ("sub", Value::Null),
    ] {
        let mut claims = claims();
        match &value {
            Value::Null => {
                claims.as_object_mut().unwrap().remove(claim);
            }
            value => claims[claim] = value.clone(),
        }
        let verified = key.verify(&signed(&claims, &pem));
        assert!(verified.is_err(), "{claim} = {value} was taken");
    }
}

#[test]
fn a_token_of_another_key_is_refused() {
    let (key, _) = key();
    let (_, other) = self::key();
    let refusal = key.verify(&signed(&claims(), &other)).unwrap_err();
    assert!(refusal.to_string().contains("InvalidSignature"));
}

#[test]
fn a_token_of_another_algorithm_is_refused() {
    let (key, pem) = key();
    let public = KeyPair::from_pem(&pem).unwrap().public_key_pem();
    let secret = EncodingKey::from_secret(public.as_bytes());
    let header = Header::new(Algorithm::HS256);
    let confused = jsonwebtoken::encode(&header, &claims(), &secret).unwrap();
    assert!(key.verify(&confused).is_err());

    let good = signed(&claims(), &pem);
    let (signed_part, signature) = good.rsplit_once('.').unwrap();
    let (_, payload) = signed_part.split_once('.').unwrap();
    for header in [
        "eyJhbGciOiJub25lIn0", // {"alg":"none"}
        "eyJhbGciOiJOb25lIn0", // {"alg":"None"}
        "eyJhbGciOiJuT25FIn0", // {"alg":"nOnE"}
        "e30",                 // {}
    ] {
        for token in [
            format!("{header}.{payload}."),
            format!("{header}.{payload}"),
            format!("{header}.{payload}.{signature}"),
        ] {
            assert!(key.verify(&token).is_err(), "{token} was taken");
        }
    }
}

#[test]
fn a_signature_of_zeros_is_refused() {
    let (key, pem) = key();
    let good = signed(&claims(), &pem);
    let (signed_part, _) = good.rsplit_once('.').unwrap();
    let zeros = "A".repeat(86);
    assert!(key.verify(&format!("{signed_part}.{zeros}")).is_err());
}

#[test]
fn texts_that_are_no_token_are_refused() {
    let (key, pem) = key();
    let good = signed(&claims(), &pem);
    let extended = format!("{good}.e30");
    let padded = format!("{good}=");
    let long = format!("{good}{}", "A".repeat(1024 * 1024));
    for token in ["", ".", "..", "a.b.c", "\0", &extended, &padded, &long] {
        assert!(key.verify(token).is_err());
    }
}

#[test]
fn files_hold_a_good_token_for_each_account_and_nobody_else_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let token_dir = folder.path().join("tokens");
    let config = config(&token_dir);
    let key = Arc::new(key().0);
    let mut files = TokenFiles::new(Arc::clone(&key), &config);
    let now = SystemTime::now();
    files.write_all(now).unwrap();
    assert_eq!(files.next, now + config.token_ttl / 2);

    let mut names: Vec<_> = std::fs::read_dir(&token_dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["shop.debug", "shop.order"]);
    let path = token_dir.join("shop.order");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let token = std::fs::read_to_string(path).unwrap();
    assert_eq!(key.verify(&token).unwrap(), order());
}
