//! What the authority signs, for whom, and what it refuses.

use std::time::{Duration, SystemTime};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use mesh_identity::{Csr, Leaf, Svid, TrustBundles, certificates_from_pem};
use mesh_transport::{Identity, client_config};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, SanType};
use serde_json::{Value, json};
use tonic::Code;

use crate::client::Client;
use crate::{Plane, id};

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn leaf(chain: &[String]) -> Leaf {
    Leaf::parse(&certificates_from_pem(&chain[0]).unwrap()[0]).unwrap()
}

#[tokio::test]
async fn a_good_token_gets_a_certificate_for_its_own_account() {
    let plane = Plane::start().await;
    let mut client = Client::connect(&plane).await;
    for account in ["order", "debug"] {
        let csr = Csr::generate().unwrap();
        let token = bearer(&plane.token(&format!("shop.{account}")));
        let chain = client.ask(&[&token], &csr.pem, 3600).await.unwrap();
        assert_eq!(chain.len(), 3, "leaf, intermediate, root");
        assert_eq!(chain[2], plane.root_pem());
        let (svid, _) = Svid::from_answer(&chain, csr.key.clone_key(), &id(account)).unwrap();
        let left = svid.not_after.duration_since(SystemTime::now()).unwrap();
        assert!(left > Duration::from_secs(3590) && left <= Duration::from_secs(3600));
    }
}

#[tokio::test]
async fn whatever_the_request_asks_for_only_its_key_is_signed() {
    let plane = Plane::start().await;
    let key = KeyPair::generate().unwrap();
    let mut wishes = CertificateParams::new(vec!["meshd.mesh-system.svc".to_owned()]).unwrap();
    let victim = "spiffe://cluster.local/ns/mesh-system/sa/meshd";
    wishes
        .subject_alt_names
        .push(SanType::URI(victim.try_into().unwrap()));
    wishes.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let csr = wishes.serialize_request(&key).unwrap().pem().unwrap();

    let token = bearer(&plane.token("shop.order"));
    let mut client = Client::connect(&plane).await;
    let chain = client.ask(&[&token], &csr, 60).await.unwrap();
    assert_eq!(leaf(&chain).id, id("order"));
    let text = certificates_from_pem(&chain[0]).unwrap()[0].to_vec();
    let holds = |needle: &[u8]| text.windows(needle.len()).any(|window| window == needle);
    assert!(!holds(b"mesh-system"), "a name of the request was signed");
}

#[tokio::test]
async fn tokens_that_prove_nothing_are_refused_with_one_and_the_same_text() {
    let plane = Plane::start().await;
    let key_pem = std::fs::read_to_string(plane.config.state_dir.join("token-key.pem")).unwrap();
    let other_pem = KeyPair::generate().unwrap().serialize_pem();
    let good = plane.token("shop.order");
    let (signed_part, _) = good.rsplit_once('.').unwrap();
    let (_, payload) = signed_part.split_once('.').unwrap();

    let cases = [
        (
            "expired",
            forged(&key_pem, |claims| claims["exp"] = json!(1_700_000_000)),
        ),
        (
            "wrong audience",
            forged(&key_pem, |claims| claims["aud"] = json!(["kafka"])),
        ),
        (
            "wrong issuer",
            forged(&key_pem, |claims| claims["iss"] = json!("somebody")),
        ),
        (
            "unknown account",
            forged(&key_pem, |claims| {
                claims["sub"] = json!("system:serviceaccount:shop:payment");
            }),
        ),
        (
            "ourselves",
            forged(&key_pem, |claims| {
                claims["sub"] = json!("system:serviceaccount:mesh-system:meshd");
            }),
        ),
        ("other key", forged(&other_pem, |_| ())),
        ("alg none", format!("eyJhbGciOiJub25lIn0.{payload}.")),
        ("no signature", format!("{signed_part}.")),
        ("empty", String::new()),
        ("garbage", "a.b.c".to_owned()),
    ];
    let csr = Csr::generate().unwrap();
    let mut client = Client::connect(&plane).await;
    for (case, token) in cases {
        let status = client
            .ask(&[&bearer(&token)], &csr.pem, 60)
            .await
            .expect_err(case);
        assert_eq!(status.code(), Code::Unauthenticated, "{case}");
        assert_eq!(status.message(), "request is not authenticated", "{case}");
    }
    // The forger's tools are good: the same claims, unchanged, get in.
    let unchanged = bearer(&forged(&key_pem, |_| ()));
    client.ask(&[&unchanged], &csr.pem, 60).await.unwrap();
}

/// A token like the real one, changed and signed with any key.
fn forged(key_pem: &str, change: impl FnOnce(&mut Value)) -> String {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = since_epoch.unwrap().as_secs();
    let mut claims = json!({
        "iss": "meshd",
        "sub": "system:serviceaccount:shop:order",
        "aud": ["istio-ca"],
        "iat": now,
        "nbf": now,
        "exp": now + 600,
    });
    change(&mut claims);
    let key = EncodingKey::from_ec_pem(key_pem.as_bytes()).unwrap();
    jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &key).unwrap()
}

#[tokio::test]
async fn headers_that_are_not_one_bearer_token_are_refused() {
    let plane = Plane::start().await;
    let token = plane.token("shop.order");
    let (good, basic) = (bearer(&token), format!("Basic {token}"));
    let csr = Csr::generate().unwrap();
    let mut client = Client::connect(&plane).await;
    let (good, basic) = (good.as_str(), basic.as_str());
    for headers in [
        &[][..],
        &[good, good],
        &[good, "Bearer x"],
        &[basic],
        &[token.as_str()],
    ] {
        let status = client.ask(headers, &csr.pem, 60).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated);
    }
}

#[tokio::test]
async fn an_own_certificate_is_no_substitute_for_a_token() {
    let plane = Plane::start().await;
    let csr = Csr::generate().unwrap();
    let token = bearer(&plane.token("shop.order"));
    let mut client = Client::connect(&plane).await;
    let chain = client.ask(&[&token], &csr.pem, 60).await.unwrap();
    let (svid, roots) = Svid::from_answer(&chain, csr.key.clone_key(), &id("order")).unwrap();
    let identity = Identity {
        bundles: TrustBundles::of(svid.id.trust_domain().clone(), roots),
        svid,
        received_at: SystemTime::now(),
    };
    let config = client_config(&identity, &plane.config.own_id()).unwrap();
    let mut with_certificate = Client::connect_with(&plane, config).await;
    let status = with_certificate.ask(&[], &csr.pem, 60).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    with_certificate.ask(&[&token], &csr.pem, 60).await.unwrap();
}

#[tokio::test]
async fn lifetimes_are_bounded_and_have_a_default() {
    let plane = Plane::start().await;
    let token = bearer(&plane.token("shop.order"));
    let csr = Csr::generate().unwrap();
    let mut client = Client::connect(&plane).await;
    for seconds in [1, 9, 86_401, i64::MAX] {
        let status = client.ask(&[&token], &csr.pem, seconds).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{seconds}");
    }
    for (asked, granted) in [(0, 86_400), (-5, 86_400), (10, 10), (86_400, 86_400)] {
        let chain = client.ask(&[&token], &csr.pem, asked).await.unwrap();
        let leaf = leaf(&chain);
        let back = granted.min(120);
        let life = leaf.not_after.duration_since(leaf.not_before).unwrap();
        assert_eq!(life, Duration::from_secs(granted + back), "{asked}");
    }
}

#[tokio::test]
async fn a_request_that_is_none_is_an_invalid_argument() {
    let plane = Plane::start().await;
    let token = bearer(&plane.token("shop.order"));
    let other_curve = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let request = CertificateParams::default().serialize_request(&other_curve);
    let other_curve = request.unwrap().pem().unwrap();
    let mut client = Client::connect(&plane).await;
    for csr in ["", "garbage", &other_curve] {
        let status = client.ask(&[&token], csr, 60).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
    }
    let status = client
        .ask(&[&token], &"x".repeat(100 * 1024), 60)
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "too large to be read");
}
