//! What the authority puts into certificates, and what nobody can make it put there.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, SanType};
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;

use super::{Authority, INTERMEDIATE_LIFETIME, ROOT_LIFETIME, RootAuthority};
use crate::bundle::certificates_from_pem;
use crate::csr::Csr;
use crate::error::Error;
use crate::spiffe::{SpiffeId, TrustDomain};
use crate::svid::spiffe_id_of;

const HOUR: Duration = Duration::from_secs(3600);

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn trust_domain() -> TrustDomain {
    "cluster.local".parse().unwrap()
}

fn order() -> SpiffeId {
    SpiffeId::new(trust_domain(), "shop", "order").unwrap()
}

fn root() -> RootAuthority {
    RootAuthority::create(&trust_domain(), now()).unwrap()
}

fn authority() -> Authority {
    root().issue_intermediate(now()).unwrap()
}

fn der(pem: &str) -> CertificateDer<'static> {
    certificates_from_pem(pem).unwrap().remove(0)
}

fn seconds(time: SystemTime) -> i64 {
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since_epoch.as_secs()).unwrap()
}

#[test]
fn a_leaf_is_a_leaf_and_nothing_more() {
    let csr = Csr::generate().unwrap();
    let issued = authority()
        .sign(&csr.pem, &order(), &[], HOUR, now())
        .unwrap();
    let der = der(&issued.chain_pem[0]);
    let (_, leaf) = X509Certificate::from_der(&der).unwrap();

    assert_eq!(leaf.subject().iter().count(), 0, "the subject is empty");
    let names = leaf.subject_alternative_name().unwrap().unwrap();
    assert!(names.critical);
    assert_eq!(
        names.value.general_names,
        [GeneralName::URI("spiffe://cluster.local/ns/shop/sa/order")]
    );
    assert!(!leaf.is_ca());
    let usage = leaf.key_usage().unwrap().unwrap();
    assert!(usage.critical);
    assert_eq!(usage.value.flags, 1, "digital signature alone");
    let purpose = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(purpose.server_auth && purpose.client_auth);
    assert!(!purpose.any && !purpose.code_signing && purpose.other.is_empty());
    assert_eq!(leaf.validity().not_before.timestamp(), seconds(now()) - 120);
    assert_eq!(leaf.validity().not_after.timestamp(), seconds(now()) + 3600);
}

#[test]
fn an_answer_is_leaf_then_intermediate_then_root() {
    let root = root();
    let authority = root.issue_intermediate(now()).unwrap();
    let csr = Csr::generate().unwrap();
    let issued = authority
        .sign(&csr.pem, &order(), &[], HOUR, now())
        .unwrap();
    assert_eq!(issued.chain_pem.len(), 3);
    assert_eq!(issued.chain_pem[1], authority.certificate_pem());
    assert_eq!(issued.chain_pem[2], root.certificate_pem());

    let ders: Vec<_> = issued.chain_pem.iter().map(|pem| der(pem)).collect();
    let certificates: Vec<_> = ders
        .iter()
        .map(|der| X509Certificate::from_der(der).unwrap().1)
        .collect();
    for (certificate, issuer) in [(0, 1), (1, 2), (2, 2)] {
        let issuer_key = certificates[issuer].public_key();
        assert_eq!(
            certificates[certificate].issuer(),
            certificates[issuer].subject()
        );
        certificates[certificate]
            .verify_signature(Some(issuer_key))
            .unwrap();
    }
}

#[test]
fn authorities_are_limited_in_depth_and_life() {
    let root = root();
    let authority = root.issue_intermediate(now()).unwrap();
    for (pem, depth, lifetime) in [
        (root.certificate_pem(), 1, ROOT_LIFETIME),
        (authority.certificate_pem(), 0, INTERMEDIATE_LIFETIME),
    ] {
        let der = der(pem);
        let (_, certificate) = X509Certificate::from_der(&der).unwrap();
        let constraints = certificate.basic_constraints().unwrap().unwrap();
        assert!(constraints.critical && constraints.value.ca);
        assert_eq!(constraints.value.path_len_constraint, Some(depth));
        let usage = certificate.key_usage().unwrap().unwrap().value;
        assert!(usage.key_cert_sign() && !usage.digital_signature());
        assert_eq!(
            certificate.validity().not_after.timestamp(),
            seconds(now() + lifetime)
        );
    }
}

#[test]
fn nothing_of_a_request_counts_but_its_key() {
    let key = KeyPair::generate().unwrap();
    let mut wishes = CertificateParams::new(vec!["victim.shop".to_owned()]).unwrap();
    let victim = "spiffe://cluster.local/ns/shop/sa/payment";
    wishes
        .subject_alt_names
        .push(SanType::URI(victim.try_into().unwrap()));
    wishes.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let request = wishes.serialize_request(&key).unwrap().pem().unwrap();

    let issued = authority()
        .sign(&request, &order(), &[], HOUR, now())
        .unwrap();
    let der = der(&issued.chain_pem[0]);
    let (_, leaf) = X509Certificate::from_der(&der).unwrap();
    assert_eq!(spiffe_id_of(&der).unwrap(), order());
    let names = leaf.subject_alternative_name().unwrap().unwrap();
    assert_eq!(names.value.general_names.len(), 1);
    assert!(!leaf.is_ca());
    assert_eq!(leaf.subject().iter().count(), 0);
}

#[test]
fn dns_names_are_given_only_by_the_caller_of_sign() {
    let csr = Csr::generate().unwrap();
    let names = ["meshd.mesh-system.svc"];
    let issued = authority()
        .sign(&csr.pem, &order(), &names, HOUR, now())
        .unwrap();
    let der = der(&issued.chain_pem[0]);
    let (_, leaf) = X509Certificate::from_der(&der).unwrap();
    let found = leaf.subject_alternative_name().unwrap().unwrap();
    assert!(
        found
            .value
            .general_names
            .contains(&GeneralName::DNSName("meshd.mesh-system.svc"))
    );
    assert_eq!(spiffe_id_of(&der).unwrap(), order());
}

#[test]
fn a_short_life_is_not_dated_far_back() {
    let csr = Csr::generate().unwrap();
    let ttl = Duration::from_secs(10);
    let issued = authority()
        .sign(&csr.pem, &order(), &[], ttl, now())
        .unwrap();
    assert_eq!(issued.not_before, now() - ttl);
    assert_eq!(issued.not_after, now() + ttl);
}

#[test]
fn a_leaf_never_outlives_its_signer() {
    let authority = authority();
    let csr = Csr::generate().unwrap();
    let late = authority.not_after() - Duration::from_secs(60);
    let issued = authority.sign(&csr.pem, &order(), &[], HOUR, late).unwrap();
    assert_eq!(issued.not_after, authority.not_after());
}

#[test]
fn a_signer_out_of_its_time_refuses() {
    let authority = authority();
    let csr = Csr::generate().unwrap();
    for time in [authority.not_after(), now() - HOUR] {
        let error = authority
            .sign(&csr.pem, &order(), &[], HOUR, time)
            .unwrap_err();
        assert!(matches!(error, Error::SignerNotValid { .. }));
    }
    let after_root = now() + ROOT_LIFETIME;
    assert!(root().issue_intermediate(after_root).is_err());
}

#[test]
fn another_trust_domain_is_not_signed_for() {
    let csr = Csr::generate().unwrap();
    let foreign: SpiffeId = "spiffe://other.td/ns/shop/sa/order".parse().unwrap();
    let error = authority()
        .sign(&csr.pem, &foreign, &[], HOUR, now())
        .unwrap_err();
    assert!(matches!(error, Error::ForeignTrustDomain { .. }));
}

#[test]
fn serials_are_random_positive_and_as_long_as_each_other() {
    let authority = authority();
    let csr = Csr::generate().unwrap();
    let serials: std::collections::BTreeSet<String> = (0..20)
        .map(|_| {
            authority
                .sign(&csr.pem, &order(), &[], HOUR, now())
                .unwrap()
                .serial
        })
        .collect();
    assert_eq!(serials.len(), 20);
    for serial in serials {
        assert_eq!(serial.len(), 32);
        assert!(serial.as_bytes()[0] >= b'4' && serial.as_bytes()[0] <= b'7');
    }
}

#[test]
fn an_authority_comes_back_from_its_files() {
    let root = root();
    let authority = root.issue_intermediate(now()).unwrap();
    let root =
        RootAuthority::from_pem(&trust_domain(), root.certificate_pem(), &root.key_pem()).unwrap();
    let authority =
        Authority::from_pem(&root, authority.certificate_pem(), &authority.key_pem()).unwrap();
    let csr = Csr::generate().unwrap();
    let issued = authority
        .sign(&csr.pem, &order(), &[], HOUR, now())
        .unwrap();
    let leaf_der = der(&issued.chain_pem[0]);
    let signer_der = der(authority.certificate_pem());
    let (_, leaf) = X509Certificate::from_der(&leaf_der).unwrap();
    let (_, signer) = X509Certificate::from_der(&signer_der).unwrap();
    leaf.verify_signature(Some(signer.public_key())).unwrap();
    assert_eq!(leaf.issuer(), signer.subject());
    assert_eq!(key_identifier(&leaf), key_identifier(&signer));
}

/// The authority's key identifier: in the leaf as the issuer's, in the issuer as its own.
fn key_identifier(certificate: &X509Certificate<'_>) -> Vec<u8> {
    let is_authority = certificate.is_ca();
    certificate
        .extensions()
        .iter()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(found) if !is_authority => {
                found.key_identifier.as_ref().map(|id| id.0.to_vec())
            }
            ParsedExtension::SubjectKeyIdentifier(found) if is_authority => Some(found.0.to_vec()),
            _ => None,
        })
        .unwrap()
}

#[test]
fn a_key_beside_the_certificate_is_not_published() {
    let root = root();
    let both = format!("{}{}", &*root.key_pem(), root.certificate_pem());
    let loaded = RootAuthority::from_pem(&trust_domain(), &both, &root.key_pem()).unwrap();
    assert_eq!(loaded.certificate_pem(), root.certificate_pem());
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    let (one, other) = (root(), root());
    let load = RootAuthority::from_pem;
    let mixed = load(&trust_domain(), one.certificate_pem(), &other.key_pem());
    assert!(matches!(mixed, Err(Error::KeyMismatch)));

    let foreign: TrustDomain = "other.td".parse().unwrap();
    let elsewhere = load(&foreign, one.certificate_pem(), &one.key_pem());
    assert!(matches!(elsewhere, Err(Error::UnusableAuthority { .. })));

    let below_other = other.issue_intermediate(now()).unwrap();
    let adopted = Authority::from_pem(&one, below_other.certificate_pem(), &below_other.key_pem());
    assert!(matches!(adopted, Err(Error::UnusableAuthority { .. })));

    assert!(load(&trust_domain(), "", &one.key_pem()).is_err());
    assert!(load(&trust_domain(), one.certificate_pem(), "").is_err());
    let twice = one.certificate_pem().repeat(2);
    assert!(load(&trust_domain(), &twice, &one.key_pem()).is_err());
}

#[test]
fn a_leaf_is_not_taken_as_an_authority() {
    let csr = Csr::generate().unwrap();
    let issued = authority()
        .sign(&csr.pem, &order(), &[], HOUR, now())
        .unwrap();
    let key_pem = crate::bundle::pem_section("PRIVATE KEY", csr.key.secret_pkcs8_der());
    let loaded = RootAuthority::from_pem(&trust_domain(), &issued.chain_pem[0], &key_pem);
    assert!(matches!(loaded, Err(Error::UnusableAuthority { .. })));
}
