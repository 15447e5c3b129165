//! What is taken as a leaf of the mesh, and which answers of an authority are.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose, SanType};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::{Leaf, Svid, spiffe_id_of};
use crate::authority::{Issued, RootAuthority};
use crate::csr::Csr;
use crate::error::Error;
use crate::spiffe::SpiffeId;

const ORDER: &str = "spiffe://cluster.local/ns/shop/sa/order";

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn order() -> SpiffeId {
    ORDER.parse().unwrap()
}

/// A self-signed certificate with the names given, changed as the case wants.
fn certificate(
    names: Vec<SanType>,
    change: impl FnOnce(&mut CertificateParams),
) -> CertificateDer<'static> {
    let mut params = CertificateParams::default();
    params.subject_alt_names = names;
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().der().clone()
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn dns(text: &str) -> SanType {
    SanType::DnsName(text.try_into().unwrap())
}

fn issued_for(csr: &Csr) -> Issued {
    let root = RootAuthority::create(order().trust_domain(), now()).unwrap();
    let authority = root.issue_intermediate(now()).unwrap();
    authority
        .sign(&csr.pem, &order(), &[], Duration::from_secs(60), now())
        .unwrap()
}

#[test]
fn one_uri_name_is_the_identity() {
    let certificate = certificate(vec![dns("order.shop"), uri(ORDER)], |_| ());
    assert_eq!(spiffe_id_of(&certificate).unwrap(), order());
}

#[test]
fn no_uri_name_or_two_are_refused() {
    let other = "spiffe://cluster.local/ns/shop/sa/payment";
    for (names, expected) in [
        (vec![], 0),
        (vec![dns("order.shop")], 0),
        (vec![uri(ORDER), uri(other)], 2),
        (vec![uri(ORDER), uri(ORDER)], 2),
        (vec![uri(ORDER), uri("https://example.com/")], 2),
    ] {
        let error = spiffe_id_of(&certificate(names, |_| ())).unwrap_err();
        assert!(matches!(error, Error::UriNames { count } if count == expected));
    }
}

#[test]
fn a_name_that_is_no_spiffe_id_is_refused() {
    for text in [
        "https://cluster.local/ns/shop/sa/order",
        "spiffe://cluster.local/ns/shop/sa/order/",
        "spiffe://cluster.local",
    ] {
        let error = spiffe_id_of(&certificate(vec![uri(text)], |_| ())).unwrap_err();
        assert!(matches!(error, Error::InvalidSpiffeId { .. }), "{text}");
    }
}

#[test]
fn an_id_in_the_common_name_is_no_identity() {
    let certificate = certificate(vec![], |params| {
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, ORDER);
    });
    assert!(matches!(
        spiffe_id_of(&certificate),
        Err(Error::UriNames { count: 0 })
    ));
}

#[test]
fn a_leaf_that_could_sign_is_refused() {
    let authority = certificate(vec![uri(ORDER)], |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    });
    let signer = certificate(vec![uri(ORDER)], |params| {
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    });
    let revoker = certificate(vec![uri(ORDER)], |params| {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::CrlSign];
    });
    for leaf in [authority, signer, revoker] {
        assert!(matches!(spiffe_id_of(&leaf), Err(Error::NotALeaf { .. })));
    }
}

#[test]
fn bytes_that_are_no_certificate_are_refused() {
    let whole = certificate(vec![uri(ORDER)], |_| ());
    let truncated = CertificateDer::from(whole[..whole.len() - 1].to_vec());
    let trailing = CertificateDer::from([&whole[..], &[0]].concat());
    for der in [CertificateDer::from(vec![]), truncated, trailing] {
        assert!(matches!(
            Leaf::parse(&der),
            Err(Error::UnreadableCertificate { .. })
        ));
    }
}

#[test]
fn an_answer_becomes_an_svid_and_its_roots() {
    let csr = Csr::generate().unwrap();
    let issued = issued_for(&csr);
    let (svid, roots) =
        Svid::from_answer(&issued.chain_pem, csr.key.clone_key(), &order()).unwrap();
    assert_eq!(svid.id, order());
    assert_eq!(svid.chain.len(), 2);
    assert_eq!(svid.serial, issued.serial);
    assert_eq!(svid.not_before, issued.not_before);
    assert_eq!(svid.not_after, issued.not_after);
    assert_eq!(roots.len(), 1);
    assert_eq!(svid.chain_pem(), issued.chain_pem[..2].concat());
}

#[test]
fn an_answer_without_roots_is_refused() {
    let csr = Csr::generate().unwrap();
    let issued = issued_for(&csr);
    for length in [0, 1] {
        let answer = &issued.chain_pem[..length];
        let error = Svid::from_answer(answer, csr.key.clone_key(), &order()).unwrap_err();
        assert!(matches!(error, Error::ShortChain { .. }));
    }
}

#[test]
fn an_answer_for_somebody_else_is_refused() {
    let csr = Csr::generate().unwrap();
    let issued = issued_for(&csr);
    let payment: SpiffeId = "spiffe://cluster.local/ns/shop/sa/payment".parse().unwrap();
    let error = Svid::from_answer(&issued.chain_pem, csr.key.clone_key(), &payment).unwrap_err();
    assert!(matches!(error, Error::WrongIdentity { .. }));
}

#[test]
fn an_answer_for_another_key_is_refused() {
    let issued = issued_for(&Csr::generate().unwrap());
    let other = Csr::generate().unwrap().key.clone_key();
    let error = Svid::from_answer(&issued.chain_pem, other, &order()).unwrap_err();
    assert!(matches!(error, Error::KeyMismatch));
    let garbage = PrivatePkcs8KeyDer::from(vec![1, 2, 3]);
    let error = Svid::from_answer(&issued.chain_pem, garbage, &order()).unwrap_err();
    assert!(matches!(error, Error::KeyMismatch));
}

#[test]
fn an_answer_that_is_no_pem_is_refused() {
    let csr = Csr::generate().unwrap();
    let mut answer = issued_for(&csr).chain_pem;
    answer[0] = "-----BEGIN CERTIFICATE-----\nAA\n".to_owned();
    assert!(Svid::from_answer(&answer, csr.key.clone_key(), &order()).is_err());
}

#[test]
fn an_svid_does_not_show_its_key() {
    let csr = Csr::generate().unwrap();
    let issued = issued_for(&csr);
    let (svid, _) = Svid::from_answer(&issued.chain_pem, csr.key.clone_key(), &order()).unwrap();
    assert!(!format!("{svid:?}").contains("key"));
    let key_pem = svid.key_pem();
    let pair = KeyPair::from_pkcs8_pem_and_sign_algo(&key_pem, &rcgen::PKCS_ECDSA_P256_SHA256);
    assert_eq!(
        pair.unwrap().serialized_der(),
        csr.key.secret_pkcs8_der(),
        "the PEM holds the same key"
    );
}
