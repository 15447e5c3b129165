//! What is shown of a certificate, and what a peer would refuse.
#![allow(clippy::unwrap_used)]

use mesh_identity::{Authority, Csr, RootAuthority, TrustDomain, certificates_from_pem};
use rcgen::string::Ia5String;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, SanType};

use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn authority() -> (RootAuthority, Authority) {
    let domain: TrustDomain = "cluster.local".parse().unwrap();
    let root = RootAuthority::create(&domain, now()).unwrap();
    let intermediate = root.issue_intermediate(now()).unwrap();
    (root, intermediate)
}

fn issued(authority: &Authority, ttl: Duration) -> Vec<CertificateDer<'static>> {
    let csr = Csr::generate().unwrap();
    let id: SpiffeId = "spiffe://cluster.local/ns/shop/sa/order".parse().unwrap();
    let issued = authority
        .sign(&csr.pem, &id, &["order.shop"], ttl, now())
        .unwrap();
    let (_, chain) = issued.chain_pem.split_last().unwrap();
    chain
        .iter()
        .flat_map(|pem| certificates_from_pem(pem).unwrap())
        .collect()
}

fn odd(change: impl FnOnce(&mut CertificateParams)) -> Vec<CertificateDer<'static>> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.not_before = (now() - Duration::from_secs(60)).into();
    params.not_after = (now() + Duration::from_secs(3600)).into();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    vec![params.self_signed(&key).unwrap().der().clone()]
}

fn uri(text: &str) -> SanType {
    SanType::URI(Ia5String::try_from(text).unwrap())
}

fn warnings(chain: &[CertificateDer<'static>], at: SystemTime) -> String {
    Report::of(chain, at).unwrap().warnings.join("\n")
}

#[test]
fn a_fresh_certificate_of_the_mesh_has_no_warning() {
    let (root, intermediate) = authority();
    let chain = issued(&intermediate, Duration::from_secs(3600));
    let mut roots = RootCertStore::empty();
    roots
        .add(
            certificates_from_pem(root.certificate_pem())
                .unwrap()
                .remove(0),
        )
        .unwrap();
    let mut report = Report::of(&chain, now()).unwrap();
    report.check_against(&chain, &roots);
    assert_eq!(report.warnings, [] as [String; 0]);
    assert_eq!(
        report.spiffe_id().unwrap().to_string(),
        "spiffe://cluster.local/ns/shop/sa/order"
    );
    assert_eq!(report.time_left(), Some(Duration::from_secs(3600)));
}

#[test]
fn everything_asked_for_is_shown() {
    let (_, intermediate) = authority();
    let chain = issued(&intermediate, Duration::from_secs(3600));
    let report = Report::of(&chain, now()).unwrap();
    let text = report.to_string();
    for part in [
        "spiffe://cluster.local/ns/shop/sa/order\n",
        &format!("serial    {}", report.serial()),
        "validity  2027-01-15T07:58:00Z to 2027-01-15T09:00:00Z (1 h 0 min left)",
        "tradewind mesh intermediate",
        "key       ECDSA P-256",
        "names     URI:spiffe://cluster.local/ns/shop/sa/order, DNS:order.shop",
        "authority of spiffe://cluster.local\n",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

#[test]
fn validity_is_judged_by_the_time() {
    let (_, intermediate) = authority();
    let chain = issued(&intermediate, Duration::from_secs(3600));
    assert!(warnings(&chain, now() + Duration::from_secs(3600)).contains("expired at"));
    assert!(warnings(&chain, now() - Duration::from_secs(3600)).contains("not valid before"));
    let late = warnings(&chain, now() + Duration::from_secs(3500));
    assert!(
        late.contains("1 min 40 s left: a workload renews"),
        "{late}"
    );
    assert_eq!(warnings(&chain, now() + Duration::from_secs(1800)), "");
}

#[test]
fn a_leaf_needs_exactly_one_spiffe_id() {
    let two = |params: &mut CertificateParams| {
        params.subject_alt_names = vec![
            uri("spiffe://cluster.local/ns/a/sa/b"),
            uri("https://example.com/"),
        ];
    };
    assert!(warnings(&odd(two), now()).contains("2 URI names"));
    assert!(warnings(&odd(|_| {}), now()).contains("0 URI names"));
    let other = |params: &mut CertificateParams| {
        params.subject_alt_names = vec![uri("spiffe://cluster.local/somebody")];
    };
    assert!(warnings(&odd(other), now()).contains("invalid SPIFFE id"));
}

#[test]
fn a_leaf_that_lives_too_long_or_for_one_side_only_is_told() {
    let long = |params: &mut CertificateParams| {
        params.subject_alt_names = vec![uri("spiffe://cluster.local/ns/a/sa/b")];
        params.not_after = (now() + 2 * DAY).into();
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    };
    let warnings = warnings(&odd(long), now());
    assert!(warnings.contains("more than a day"), "{warnings}");
    assert!(
        warnings.contains("not for both clients and servers"),
        "{warnings}"
    );
}

#[test]
fn a_chain_out_of_order_is_told() {
    let (root, intermediate) = authority();
    let mut chain = issued(&intermediate, Duration::from_secs(60));
    let root = certificates_from_pem(root.certificate_pem())
        .unwrap()
        .remove(0);
    chain.insert(1, root);
    assert!(warnings(&chain, now()).contains("is not signed by the certificate after it"));
    chain.push(chain[0].clone());
    assert!(warnings(&chain, now()).contains("a certificate twice"));
}

#[test]
fn a_chain_of_another_mesh_is_told() {
    let (_, intermediate) = authority();
    let (foreign, _) = authority();
    let chain = issued(&intermediate, Duration::from_secs(60));
    let mut roots = RootCertStore::empty();
    roots
        .add(
            certificates_from_pem(foreign.certificate_pem())
                .unwrap()
                .remove(0),
        )
        .unwrap();
    let mut report = Report::of(&chain, now()).unwrap();
    report.check_against(&chain, &roots);
    let warnings = report.warnings.join("\n");
    assert!(
        warnings.contains("does not lead to the mesh's root"),
        "{warnings}"
    );
}

#[test]
fn a_root_is_no_workload_and_is_not_judged_as_one() {
    let (root, _) = authority();
    let chain = certificates_from_pem(root.certificate_pem()).unwrap();
    let report = Report::of(&chain, now()).unwrap();
    assert!(!report.is_of_workload());
    assert_eq!(report.warnings, [] as [String; 0]);
    assert!(
        report
            .to_string()
            .starts_with("authority of spiffe://cluster.local\n")
    );
}

#[test]
fn what_is_no_certificate_is_an_error() {
    for bytes in [&b""[..], b"\x30", b"not a certificate"] {
        let chain = [CertificateDer::from(bytes.to_vec())];
        assert!(matches!(
            Report::of(&chain, now()),
            Err(Error::UnreadableCertificate { .. })
        ));
    }
}

#[test]
fn durations_are_told_roughly() {
    for (seconds, expected) in [
        (0, "0 s"),
        (59, "59 s"),
        (61, "1 min 1 s"),
        (3600, "1 h 0 min"),
        (86_399, "23 h 59 min"),
        (90_000, "1 d 1 h"),
    ] {
        assert_eq!(rough(Duration::from_secs(seconds)), expected);
    }
}
