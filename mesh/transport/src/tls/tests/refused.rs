//! Peers that must not get in, each with the alert or the reason that tells why.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use mesh_identity::{SpiffeId, Svid, certificates_from_pem};
use rcgen::{
    BasicConstraints, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::{AlertDescription, CertificateError, ClientConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_rustls::TlsAcceptor;

use super::forger::{Forged, Forger};
use super::{
    AuthorityExpectation, ClientCertificate, DAY, HOUR, Identity, Outcome, authority,
    authority_client_config, client_config, handshake, id, issue, order, payment, server_config,
    server_config_with, valid,
};
use crate::error::handshake_failure;

/// Why the server closed the door; the client must have noticed as well.
fn server_refusal(outcome: Outcome) -> io::Error {
    outcome.client.expect_err("the client was let in");
    outcome.server.expect_err("the server let the client in")
}

fn certificate_error(error: &io::Error) -> &CertificateError {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(rustls::Error::InvalidCertificate(reason)) => reason,
        other => panic!("not refused for the certificate: {other:?}"),
    }
}

/// Shows a forged chain to a server of the mesh and returns the reason of its refusal.
async fn shown_to_server(forger: &Forger, forged: &Forged) -> io::Error {
    let callee = valid(&forger.authority, &payment());
    server_refusal(
        handshake(
            forged.client(&forger.authority),
            server_config(&callee).unwrap(),
        )
        .await,
    )
}

#[tokio::test]
async fn a_forger_that_forges_nothing_gets_in() {
    let forger = Forger::new();
    let forged = forger.forge(&[&order().to_string()], |_| ());
    let callee = valid(&forger.authority, &payment());
    let outcome = handshake(
        forged.client(&forger.authority),
        server_config(&callee).unwrap(),
    )
    .await;
    assert_eq!(outcome.server.unwrap().peer.unwrap().id, order());
}

#[tokio::test]
async fn plaintext_gets_nothing_back_but_an_alert() {
    let authority = authority("cluster.local");
    let config = server_config(&valid(&authority, &payment())).unwrap();
    for greeting in [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        let (mut client, server) = duplex(4096);
        let accepting = tokio::spawn(TlsAcceptor::from(Arc::clone(&config)).accept(server));
        client.write_all(greeting).await.unwrap();
        assert!(accepting.await.unwrap().is_err());
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        const ALERT_RECORD: u8 = 21;
        assert!(answer.is_empty() || answer[0] == ALERT_RECORD);
    }
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let authority = authority("cluster.local");
    let callee = valid(&authority, &payment());
    let roots = callee.bundles.roots(payment().trust_domain()).unwrap();
    let expected = AuthorityExpectation {
        id: payment(),
        dns_name: "named.test".try_into().unwrap(),
    };
    let client = authority_client_config(roots, &expected).unwrap();
    let outcome = handshake(client, server_config(&callee).unwrap()).await;
    let refusal = server_refusal(outcome);
    assert!(refusal.to_string().contains("no certificates"), "{refusal}");
}

#[tokio::test]
async fn an_optional_certificate_is_verified_when_shown() {
    let (ours, foreign) = (authority("cluster.local"), authority("cluster.local"));
    let callee = valid(&ours, &payment());
    let mut caller = valid(&foreign, &order());
    caller.bundles = valid(&ours, &order()).bundles.clone();
    let server = server_config_with(&callee, ClientCertificate::Optional).unwrap();
    let outcome = handshake(client_config(&caller, &payment()).unwrap(), server).await;
    let refusal = server_refusal(outcome);
    assert_eq!(
        certificate_error(&refusal),
        &CertificateError::UnknownIssuer
    );
}

#[tokio::test]
async fn the_same_names_from_another_authority_are_refused_by_both_sides() {
    let (ours, foreign) = (authority("cluster.local"), authority("cluster.local"));
    let (caller, callee) = (valid(&ours, &order()), valid(&foreign, &payment()));
    let outcome = handshake(
        client_config(&caller, &payment()).unwrap(),
        server_config(&callee).unwrap(),
    )
    .await;
    let refusal = outcome.client.unwrap_err();
    assert_eq!(
        certificate_error(&refusal),
        &CertificateError::UnknownIssuer
    );

    let mut trusting = valid(&foreign, &order());
    trusting.bundles = valid(&ours, &order()).bundles.clone();
    let callee = valid(&ours, &payment());
    let outcome = handshake(
        client_config(&trusting, &payment()).unwrap(),
        server_config(&callee).unwrap(),
    )
    .await;
    let refusal = server_refusal(outcome);
    assert_eq!(
        certificate_error(&refusal),
        &CertificateError::UnknownIssuer
    );
}

#[tokio::test]
async fn another_trust_domain_is_refused_though_its_root_is_known() {
    let (ours, foreign) = (authority("cluster.local"), authority("other.td"));
    let stranger = id("spiffe://other.td/ns/shop/sa/order");
    let mut caller = valid(&foreign, &stranger);
    let foreign_roots = caller
        .bundles
        .roots(stranger.trust_domain())
        .unwrap()
        .to_vec();
    let mut callee = valid(&ours, &payment());
    callee
        .bundles
        .insert(stranger.trust_domain().clone(), foreign_roots);
    caller.bundles = callee.bundles.clone();
    let outcome = handshake(
        client_config(&caller, &payment()).unwrap(),
        server_config(&callee).unwrap(),
    )
    .await;
    let refusal = handshake_failure(&server_refusal(outcome));
    assert_eq!(refusal, "trust domain other.td is not accepted here");
}

#[tokio::test]
async fn a_foreign_id_signed_by_our_authority_is_refused() {
    let forger = Forger::new();
    let forged = forger.forge(&["spiffe://other.td/ns/shop/sa/order"], |_| ());
    let refusal = shown_to_server(&forger, &forged).await;
    assert!(handshake_failure(&refusal).contains("other.td"));
}

#[tokio::test]
async fn our_id_signed_by_a_known_foreign_authority_is_refused() {
    let (ours, foreign) = (authority("cluster.local"), authority("other.td"));
    let key = KeyPair::from_pem(&foreign.key_pem()).unwrap();
    let forger = Forger {
        issuer: Issuer::from_ca_cert_pem(foreign.certificate_pem(), key).unwrap(),
        authority: foreign,
    };
    let forged = forger.forge(&[&order().to_string()], |_| ());
    let mut callee = valid(&ours, &payment());
    let foreign_roots = certificates_from_pem(forger.authority.root_bundle_pem()).unwrap();
    callee
        .bundles
        .insert("other.td".parse().unwrap(), foreign_roots);
    let outcome = handshake(forged.client(&ours), server_config(&callee).unwrap()).await;
    let refusal = server_refusal(outcome);
    assert_eq!(
        certificate_error(&refusal),
        &CertificateError::UnknownIssuer
    );
}

#[tokio::test]
async fn certificates_out_of_their_time_are_refused() {
    let authority = authority("cluster.local");
    let now = SystemTime::now();
    let expired = || issue(&authority, &order(), HOUR, now - DAY);
    let early = || issue(&authority, &order(), HOUR, now + DAY);
    let callee = valid(&authority, &payment());
    for (identity, expected) in [(expired(), "expired"), (early(), "not valid yet")] {
        let outcome = handshake(
            client_config(&identity, &payment()).unwrap(),
            server_config(&callee).unwrap(),
        )
        .await;
        let refusal = server_refusal(outcome);
        let is_expected = match certificate_error(&refusal) {
            CertificateError::ExpiredContext { .. } => expected == "expired",
            CertificateError::NotValidYetContext { .. } => expected == "not valid yet",
            _ => false,
        };
        assert!(is_expected, "{refusal}");
    }
    for identity in [expired(), early()] {
        let caller = valid(&authority, &payment());
        let outcome = handshake(
            client_config(&caller, &order()).unwrap(),
            server_config(&identity).unwrap(),
        )
        .await;
        outcome.client.expect_err("the client took the server");
    }
}

#[tokio::test]
async fn a_refused_client_is_told_so_and_can_log_it() {
    let authority = authority("cluster.local");
    let expired = issue(&authority, &order(), HOUR, SystemTime::now() - DAY);
    let callee = valid(&authority, &payment());
    let outcome = handshake(
        client_config(&expired, &payment()).unwrap(),
        server_config(&callee).unwrap(),
    )
    .await;
    let error = outcome.client.unwrap_err();
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    assert_eq!(
        inner,
        Some(&rustls::Error::AlertReceived(
            AlertDescription::CertificateExpired
        ))
    );
    assert!(handshake_failure(&error).starts_with("peer refused our identity"));
}

#[tokio::test]
async fn leaves_without_exactly_one_uri_name_are_refused() {
    let forger = Forger::new();
    let (order, payment) = (order().to_string(), payment().to_string());
    let (order, payment) = (order.as_str(), payment.as_str());
    for names in [vec![], vec![order, payment], vec![order, order]] {
        let forged = forger.forge(&names, |_| ());
        let refusal = handshake_failure(&shown_to_server(&forger, &forged).await);
        assert!(
            refusal.contains("URI names, expected exactly one"),
            "{refusal}"
        );
    }
    let common_name = forger.forge(&[], |params| {
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, order);
        params
            .subject_alt_names
            .push(SanType::DnsName("order.shop".try_into().unwrap()));
    });
    let refusal = handshake_failure(&shown_to_server(&forger, &common_name).await);
    assert!(refusal.contains("has 0 URI names"), "{refusal}");
}

#[tokio::test]
async fn ids_in_another_spelling_are_refused() {
    let forger = Forger::new();
    for name in [
        "SPIFFE://cluster.local/ns/shop/sa/order",
        "spiffe://CLUSTER.local/ns/shop/sa/order",
        "spiffe://cluster.local:50051/ns/shop/sa/order",
        "spiffe://cluster.local/ns/shop/sa/order/",
        "spiffe://cluster.local/ns/shop/sa/../sa/order",
        "https://cluster.local/ns/shop/sa/order",
    ] {
        let forged = forger.forge(&[name], |_| ());
        let refusal = handshake_failure(&shown_to_server(&forger, &forged).await);
        assert!(refusal.contains("is refused: invalid"), "{name}: {refusal}");
    }
}

#[tokio::test]
async fn a_leaf_that_is_an_authority_is_refused() {
    let forger = Forger::new();
    let authority = forger.forge(&[&order().to_string()], |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    let signer = forger.forge(&[&order().to_string()], |params| {
        params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    });
    for forged in [authority, signer] {
        let refusal = handshake_failure(&shown_to_server(&forger, &forged).await);
        assert!(refusal.contains("no leaf of the mesh"), "{refusal}");
    }
}

#[tokio::test]
async fn a_leaf_signed_by_a_leaf_is_refused() {
    let forger = Forger::new();
    let middle = forger.forge(&[&order().to_string()], |_| ());
    let key = KeyPair::try_from(middle.key.serialize_der()).unwrap();
    let below = Forger {
        issuer: Issuer::from_ca_cert_der(&middle.chain[0], key).unwrap(),
        authority: forger.authority,
    };
    let mut forged = below.forge(&[&payment().to_string()], |_| ());
    forged.chain.splice(1..1, [middle.chain[0].clone()]);
    let refusal = shown_to_server(&below, &forged).await;
    certificate_error(&refusal);
}

#[tokio::test]
async fn a_server_certificate_is_no_client_certificate_and_the_reverse() {
    let forger = Forger::new();
    let server_only = forger.forge(&[&order().to_string()], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    let refusal = shown_to_server(&forger, &server_only).await;
    assert!(matches!(
        certificate_error(&refusal),
        CertificateError::InvalidPurposeContext { .. }
    ));

    let client_only = forger.forge(&[&payment().to_string()], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let caller = valid(&forger.authority, &order());
    let callee = Identity {
        svid: Svid::from_chain(client_only.chain.clone(), client_only.key_der()).unwrap(),
        bundles: caller.bundles.clone(),
        received_at: SystemTime::now(),
    };
    let outcome = handshake(
        client_config(&caller, &payment()).unwrap(),
        server_config(&callee).unwrap(),
    )
    .await;
    let refusal = outcome.client.unwrap_err();
    assert!(matches!(
        certificate_error(&refusal),
        CertificateError::InvalidPurposeContext { .. }
    ));
}

#[tokio::test]
async fn an_overlong_chain_is_refused_unverified() {
    let forger = Forger::new();
    let mut forged = forger.forge(&[&order().to_string()], |_| ());
    let intermediate = forged.chain[1].clone();
    forged.chain.extend(std::iter::repeat_n(intermediate, 50));
    let refusal = shown_to_server(&forger, &forged).await;
    assert_eq!(
        certificate_error(&refusal),
        &CertificateError::UnknownIssuer
    );
}

#[tokio::test]
async fn a_server_that_is_somebody_else_is_refused() {
    let authority = authority("cluster.local");
    let notification: SpiffeId = id("spiffe://cluster.local/ns/shop/sa/notification");
    for actual in [
        notification,
        id("spiffe://cluster.local/ns/other/sa/payment"),
    ] {
        let (caller, callee) = (valid(&authority, &order()), valid(&authority, &actual));
        let outcome = handshake(
            client_config(&caller, &payment()).unwrap(),
            server_config(&callee).unwrap(),
        )
        .await;
        let refusal = handshake_failure(&outcome.client.unwrap_err());
        assert_eq!(refusal, format!("peer is {actual}, expected {}", payment()));
    }
}

#[tokio::test]
async fn an_authority_without_the_expected_dns_name_is_refused() {
    let authority = authority("cluster.local");
    let meshd = valid(
        &authority,
        &id("spiffe://cluster.local/ns/mesh-system/sa/meshd"),
    );
    let roots = meshd.bundles.roots(meshd.svid.id.trust_domain()).unwrap();
    let expected = AuthorityExpectation {
        id: meshd.svid.id.clone(),
        dns_name: "meshd.mesh-system.svc".try_into().unwrap(),
    };
    let client = authority_client_config(roots, &expected).unwrap();
    let server = server_config_with(&meshd, ClientCertificate::Optional).unwrap();
    let refusal = handshake(client, server).await.client.unwrap_err();
    assert!(matches!(
        certificate_error(&refusal),
        CertificateError::NotValidForNameContext { .. }
    ));
}

#[tokio::test]
async fn another_protocol_than_h2_is_refused() {
    let authority = authority("cluster.local");
    let (caller, callee) = (valid(&authority, &order()), valid(&authority, &payment()));
    let mut client = ClientConfig::clone(&client_config(&caller, &payment()).unwrap());
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    let server = server_config(&callee).unwrap();
    let outcome = handshake(Arc::new(client.clone()), Arc::clone(&server)).await;
    server_refusal(outcome);

    client.alpn_protocols = Vec::new();
    let outcome = handshake(Arc::new(client), server).await;
    assert!(
        !outcome.server.unwrap().h2,
        "the caller must ask for h2 itself"
    );
}

#[tokio::test]
async fn tls_12_is_answered_with_the_alert_for_it() {
    const ALERT_RECORD: u8 = 21;
    const PROTOCOL_VERSION: u8 = 70;
    let authority = authority("cluster.local");
    let config = server_config(&valid(&authority, &payment())).unwrap();
    let (mut client, server) = duplex(4096);
    let accepting = tokio::spawn(TlsAcceptor::from(config).accept(server));
    client.write_all(&hello_of_tls_12()).await.unwrap();
    assert!(accepting.await.unwrap().is_err());
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer.first(), Some(&ALERT_RECORD));
    assert_eq!(answer.last(), Some(&PROTOCOL_VERSION));
}

/// A greeting that offers TLS 1.2 with one good cipher suite, and nothing newer.
fn hello_of_tls_12() -> Vec<u8> {
    let extensions = [
        &[0x00, 0x0a, 0x00, 0x04, 0x00, 0x02, 0x00, 0x1d][..], // groups: X25519
        &[0x00, 0x0d, 0x00, 0x04, 0x00, 0x02, 0x04, 0x03],     // signatures: ECDSA, SHA-256
    ]
    .concat();
    let mut body = vec![0x03, 0x03];
    body.extend([7; 32]); // random
    body.push(0); // no session
    body.extend([0x00, 0x02, 0xc0, 0x2b]); // ECDHE-ECDSA with AES-128-GCM
    body.extend([0x01, 0x00]); // no compression
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    let mut hello = vec![0x01, 0x00];
    hello.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    hello.extend(body);
    let mut record = vec![0x16, 0x03, 0x01];
    record.extend(u16::try_from(hello.len()).unwrap().to_be_bytes());
    record.extend(hello);
    record
}
