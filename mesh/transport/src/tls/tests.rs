//! Handshakes over a pipe: who gets in, who does not, and what both sides agree on.
#![allow(clippy::unwrap_used)]

mod forger;
mod refused;

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mesh_identity::{Authority, Csr, RootAuthority, SpiffeId, Svid, TrustBundles};
use rustls::{ClientConfig, HandshakeKind, NamedGroup, ProtocolVersion, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{
    AuthorityExpectation, ClientCertificate, authority_client_config, client_config, server_config,
    server_config_with, unnamed_server,
};
use crate::identity_source::{Identity, IdentitySource};
use crate::peer::{PeerIdentity, peer_identity, require_h2};

const DAY: Duration = Duration::from_secs(24 * 3600);
const HOUR: Duration = Duration::from_secs(3600);

/// What a handshake came to, seen from both ends.
#[derive(Debug)]
struct Outcome {
    client: io::Result<Agreed>,
    server: io::Result<Agreed>,
}

#[derive(Debug)]
struct Agreed {
    peer: Option<PeerIdentity>,
    group: Option<NamedGroup>,
    version: Option<ProtocolVersion>,
    kind: Option<HandshakeKind>,
    h2: bool,
}

fn id(text: &str) -> SpiffeId {
    text.parse().unwrap()
}

fn order() -> SpiffeId {
    id("spiffe://cluster.local/ns/shop/sa/order")
}

fn payment() -> SpiffeId {
    id("spiffe://cluster.local/ns/shop/sa/payment")
}

/// An authority that is old enough to have issued what has expired since.
fn authority(trust_domain: &str) -> Authority {
    let made_at = SystemTime::now() - 10 * DAY;
    let root = RootAuthority::create(&trust_domain.parse().unwrap(), made_at).unwrap();
    root.issue_intermediate(made_at).unwrap()
}

fn issue(authority: &Authority, id: &SpiffeId, ttl: Duration, now: SystemTime) -> Identity {
    let csr = Csr::generate().unwrap();
    let issued = authority
        .sign(&csr.pem, id, &["named.test"], ttl, now)
        .unwrap();
    let (svid, roots) = Svid::from_answer(&issued.chain_pem, csr.key.clone_key(), id).unwrap();
    Identity {
        svid,
        bundles: TrustBundles::of(id.trust_domain().clone(), roots),
        received_at: now,
    }
}

fn valid(authority: &Authority, id: &SpiffeId) -> Identity {
    issue(authority, id, HOUR, SystemTime::now())
}

fn agreed(connection: &rustls::CommonState) -> Agreed {
    Agreed {
        peer: peer_identity(connection).ok(),
        group: connection
            .negotiated_key_exchange_group()
            .map(|group| group.name()),
        version: connection.protocol_version(),
        kind: connection.handshake_kind(),
        h2: require_h2(connection).is_ok(),
    }
}

/// Runs a handshake and one byte each way: in TLS 1.3 a client learns only then of its refusal.
async fn handshake(client: Arc<ClientConfig>, server: Arc<ServerConfig>) -> Outcome {
    let (client_end, server_end) = duplex(64 * 1024);
    let client = async move {
        let connector = TlsConnector::from(client);
        let mut stream = connector.connect(unnamed_server(), client_end).await?;
        stream.write_all(b"?").await?;
        stream.flush().await?;
        stream.read_u8().await?;
        Ok(agreed(stream.get_ref().1))
    };
    let server = async move {
        let mut stream = TlsAcceptor::from(server).accept(server_end).await?;
        stream.read_u8().await?;
        stream.write_all(b"!").await?;
        stream.flush().await?;
        Ok(agreed(stream.get_ref().1))
    };
    let (client, server) = tokio::join!(client, server);
    Outcome { client, server }
}

#[tokio::test]
async fn two_workloads_of_a_trust_domain_know_each_other() {
    let authority = authority("cluster.local");
    let (caller, callee) = (valid(&authority, &order()), valid(&authority, &payment()));
    let outcome = handshake(
        client_config(&caller, &payment()).unwrap(),
        server_config(&callee).unwrap(),
    )
    .await;
    let (client, server) = (outcome.client.unwrap(), outcome.server.unwrap());
    assert_eq!(client.peer.unwrap().id, payment());
    let seen = server.peer.unwrap();
    assert_eq!(seen.id, order());
    assert_eq!(*seen.serial, *caller.svid.serial);
    assert_eq!(seen.not_after, caller.svid.not_after);
    assert!(client.h2 && server.h2);
}

#[tokio::test]
async fn the_key_exchange_is_hybrid_and_the_version_is_13() {
    let authority = authority("cluster.local");
    let (caller, callee) = (valid(&authority, &order()), valid(&authority, &payment()));
    let outcome = handshake(
        client_config(&caller, &payment()).unwrap(),
        server_config(&callee).unwrap(),
    )
    .await;
    for side in [outcome.client.unwrap(), outcome.server.unwrap()] {
        assert_eq!(side.group, Some(NamedGroup::X25519MLKEM768));
        assert_eq!(side.version, Some(ProtocolVersion::TLSv1_3));
    }
}

#[tokio::test]
async fn no_session_is_ever_resumed() {
    let authority = authority("cluster.local");
    let (caller, callee) = (valid(&authority, &order()), valid(&authority, &payment()));
    let client = client_config(&caller, &payment()).unwrap();
    let server = server_config(&callee).unwrap();
    for _ in 0..3 {
        let outcome = handshake(Arc::clone(&client), Arc::clone(&server)).await;
        assert_eq!(outcome.server.unwrap().kind, Some(HandshakeKind::Full));
        assert_eq!(outcome.client.unwrap().kind, Some(HandshakeKind::Full));
    }
}

#[tokio::test]
async fn a_client_that_would_resume_gets_no_ticket() {
    let authority = authority("cluster.local");
    let (caller, callee) = (valid(&authority, &order()), valid(&authority, &payment()));
    let mut client = ClientConfig::clone(&client_config(&caller, &payment()).unwrap());
    client.resumption = rustls::client::Resumption::in_memory_sessions(8);
    let client = Arc::new(client);
    let server = server_config(&callee).unwrap();
    for _ in 0..3 {
        let outcome = handshake(Arc::clone(&client), Arc::clone(&server)).await;
        assert_eq!(outcome.server.unwrap().kind, Some(HandshakeKind::Full));
    }
}

#[tokio::test]
async fn a_new_workload_may_come_without_a_certificate_where_that_is_allowed() {
    let authority = authority("cluster.local");
    let meshd = valid(
        &authority,
        &id("spiffe://cluster.local/ns/mesh-system/sa/meshd"),
    );
    let roots = meshd.bundles.roots(meshd.svid.id.trust_domain()).unwrap();
    let expected = AuthorityExpectation {
        id: meshd.svid.id.clone(),
        dns_name: "named.test".try_into().unwrap(),
    };
    let client = authority_client_config(roots, &expected).unwrap();
    let server = server_config_with(&meshd, ClientCertificate::Optional).unwrap();
    let outcome = handshake(client, server).await;
    assert_eq!(outcome.client.unwrap().peer.unwrap().id, meshd.svid.id);
    assert!(outcome.server.unwrap().peer.is_none());
}

#[tokio::test]
async fn roots_of_two_generations_are_both_trusted() {
    let (old, new) = (authority("cluster.local"), authority("cluster.local"));
    let both = || {
        let pem = format!("{}{}", old.root_bundle_pem(), new.root_bundle_pem());
        let roots = mesh_identity::certificates_from_pem(&pem).unwrap();
        TrustBundles::of(order().trust_domain().clone(), roots)
    };
    let mut caller = valid(&old, &order());
    let mut callee = valid(&new, &payment());
    caller.bundles = both();
    callee.bundles = both();
    let outcome = handshake(
        client_config(&caller, &payment()).unwrap(),
        server_config(&callee).unwrap(),
    )
    .await;
    outcome.client.unwrap();
    outcome.server.unwrap();
}

#[tokio::test]
async fn a_configuration_without_roots_is_not_made() {
    let authority = authority("cluster.local");
    let mut identity = valid(&authority, &order());
    let foreign = id("spiffe://other.td/ns/shop/sa/payment");
    assert!(client_config(&identity, &foreign).is_err());
    identity.bundles = TrustBundles::default();
    assert!(server_config(&identity).is_err());
    identity.bundles = TrustBundles::of(order().trust_domain().clone(), Vec::new());
    assert!(server_config(&identity).is_err());
    assert!(client_config(&identity, &payment()).is_err());
}

#[tokio::test]
async fn a_source_holds_the_newest_identity() {
    let authority = authority("cluster.local");
    let (sender, receiver) = tokio::sync::watch::channel(None);
    let source = IdentitySource::from_watch(receiver);
    assert!(source.current().is_none());
    let first = Arc::new(valid(&authority, &order()));
    let second = Arc::new(valid(&authority, &order()));
    let waiting = tokio::spawn({
        let source = source.clone();
        async move { source.ready().await.svid.serial.clone() }
    });
    sender.send_replace(Some(Arc::clone(&first)));
    assert_eq!(waiting.await.unwrap(), first.svid.serial);
    sender.send_replace(Some(Arc::clone(&second)));
    assert_eq!(source.ready().await.svid.serial, second.svid.serial);
    drop(sender);
    assert_eq!(source.current().unwrap().svid.serial, second.svid.serial);
}
