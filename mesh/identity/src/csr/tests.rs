//! Which certificate requests are taken, and that only their key is.
#![allow(clippy::unwrap_used)]

use rcgen::{CertificateParams, KeyPair, PublicKeyData};

use super::{Csr, PublicKey};
use crate::bundle::pem_section;

fn refused(pem: &str) -> String {
    PublicKey::from_csr_pem(pem).unwrap_err().to_string()
}

fn request_with(algorithm: &'static rcgen::SignatureAlgorithm) -> String {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let request = CertificateParams::default().serialize_request(&key);
    request.unwrap().pem().unwrap()
}

#[test]
fn a_generated_request_carries_its_own_public_key() {
    let csr = Csr::generate().unwrap();
    let key = PublicKey::from_csr_pem(&csr.pem).unwrap();
    let pair = KeyPair::from_pkcs8_der_and_sign_algo(&csr.key, &rcgen::PKCS_ECDSA_P256_SHA256);
    assert_eq!(key.der_bytes(), pair.unwrap().der_bytes());
}

#[test]
fn two_requests_never_share_a_key() {
    let (one, other) = (Csr::generate().unwrap(), Csr::generate().unwrap());
    assert_ne!(one.key.secret_pkcs8_der(), other.key.secret_pkcs8_der());
}

#[test]
fn a_key_of_another_kind_is_refused() {
    for algorithm in [&rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
        assert!(refused(&request_with(algorithm)).contains("P-256"));
    }
}

#[test]
fn a_request_that_its_key_did_not_sign_is_refused() {
    let key = KeyPair::generate().unwrap();
    let request = CertificateParams::default()
        .serialize_request(&key)
        .unwrap();
    let mut der = request.der().to_vec();
    let last = der.len() - 1;
    der[last] ^= 1;
    let pem = pem_section("CERTIFICATE REQUEST", &der);
    assert!(refused(&pem).contains("not signed by its own key"));
}

#[test]
fn a_swapped_key_is_refused() {
    let mine = KeyPair::generate().unwrap();
    let victims = KeyPair::generate().unwrap();
    let request = CertificateParams::default()
        .serialize_request(&mine)
        .unwrap();
    let mut der = request.der().to_vec();
    let at = der
        .windows(mine.der_bytes().len())
        .position(|window| window == mine.der_bytes())
        .unwrap();
    der[at..at + victims.der_bytes().len()].copy_from_slice(victims.der_bytes());
    let pem = pem_section("CERTIFICATE REQUEST", &der);
    assert!(refused(&pem).contains("not signed by its own key"));
}

#[test]
fn texts_that_are_no_request_are_refused() {
    let csr = Csr::generate().unwrap();
    let truncated = &csr.pem[..csr.pem.len() / 2];
    let mut der = vec![0x30, 0x00];
    let empty = pem_section("CERTIFICATE REQUEST", &der);
    der.extend([0; 8]);
    let trailing = pem_section("CERTIFICATE REQUEST", &der);
    let mislabelled = csr.pem.replace("CERTIFICATE REQUEST", "CERTIFICATE");
    for pem in ["", "garbage", truncated, &empty, &trailing, &mislabelled] {
        refused(pem);
    }
}

#[test]
fn an_oversized_request_is_refused_unread() {
    let csr = Csr::generate().unwrap();
    let padded = format!("{}{}", csr.pem, " ".repeat(16 * 1024));
    assert!(refused(&padded).contains("16 KiB"));
}

#[test]
fn a_request_does_not_show_its_key() {
    assert_eq!(format!("{:?}", Csr::generate().unwrap()), "Csr { .. }");
}
