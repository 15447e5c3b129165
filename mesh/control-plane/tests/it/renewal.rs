//! A workload's side: the identity comes, is renewed, and is taken from nobody else.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use mesh_control_plane::{Config, run};
use mesh_transport::IdentitySource;
use mesh_transport::istio_ca::{CaSettings, MESHD_DNS_NAME, spawn};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{DEADLINE, Plane, config_in, id};

/// Long enough for an authority on the same machine to have answered.
const PATIENCE: Duration = Duration::from_millis(1500);

fn settings(plane: &Plane) -> CaSettings {
    CaSettings {
        address: plane.running.ca_address.to_string(),
        root_file: plane.config.root_file.clone(),
        token_file: plane.config.token_dir.join("shop.order"),
        id: id("order"),
        ttl: Duration::from_secs(10),
        meshd_id: plane.config.own_id(),
        server_name: MESHD_DNS_NAME.to_owned(),
    }
}

async fn first_serial(source: &IdentitySource) -> String {
    let identity = timeout(DEADLINE, source.ready()).await;
    identity.expect("no identity came").svid.serial.clone()
}

async fn gets_nothing(settings: CaSettings) {
    let shutdown = CancellationToken::new();
    let source = spawn(settings, shutdown.clone());
    assert!(timeout(PATIENCE, source.ready()).await.is_err());
    shutdown.cancel();
}

#[tokio::test]
async fn an_identity_of_ten_seconds_is_renewed_around_half_of_its_life() {
    let plane = Plane::start().await;
    let shutdown = CancellationToken::new();
    let source = spawn(settings(&plane), shutdown.clone());
    let first = timeout(DEADLINE, source.ready()).await.unwrap();
    assert_eq!(first.svid.id, id("order"));

    let mut changes = source.subscribe();
    changes.mark_unchanged();
    timeout(DEADLINE, changes.changed()).await.unwrap().unwrap();
    let second = source.current().unwrap();
    assert_ne!(second.svid.serial, first.svid.serial);
    assert_ne!(
        second.svid.key.secret_pkcs8_der(),
        first.svid.key.secret_pkcs8_der(),
        "every certificate has a key of its own"
    );
    let after = second
        .received_at
        .duration_since(first.received_at)
        .unwrap();
    assert!(after >= Duration::from_secs(3) && after < Duration::from_secs(7));
    assert!(first.svid.not_after > second.received_at);

    shutdown.cancel();
    assert!(changes.changed().await.is_err(), "the provider has ended");
}

#[tokio::test]
async fn a_workload_waits_for_root_token_and_authority() {
    let plane = Plane::start().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let mut settings = settings(&plane);
    let (root, token) = (settings.root_file.clone(), settings.token_file.clone());
    settings.root_file = elsewhere.path().join("root-cert.pem");
    settings.token_file = elsewhere.path().join("token");
    let late = settings.clone();
    let shutdown = CancellationToken::new();
    let source = spawn(settings, shutdown.clone());
    assert!(timeout(PATIENCE, source.ready()).await.is_err());
    std::fs::copy(root, late.root_file).unwrap();
    std::fs::copy(token, late.token_file).unwrap();
    first_serial(&source).await;
    shutdown.cancel();
}

#[tokio::test]
async fn an_identity_survives_a_restart_of_the_authority() {
    // An address of its own: nobody takes the port while it is free.
    let plane = Plane::start_with(|config| {
        config.bind_address = "127.0.0.2".parse().unwrap();
    })
    .await;
    let shutdown = CancellationToken::new();
    let source = spawn(settings(&plane), shutdown.clone());
    let first = first_serial(&source).await;
    let address = plane.running.ca_address;
    let (_folder, mut config) = plane.stop().await;

    config.ports.ca = address.port();
    let stop = CancellationToken::new();
    let _again = run(config, stop.clone()).await.unwrap();
    let mut changes = source.subscribe();
    let renewed = changes.wait_for(|identity| {
        identity
            .as_ref()
            .is_some_and(|identity| identity.svid.serial != first)
    });
    timeout(DEADLINE, renewed).await.unwrap().unwrap();
    shutdown.cancel();
    stop.cancel();
}

#[tokio::test]
async fn an_expired_identity_is_withdrawn() {
    let plane = Plane::start().await;
    let shutdown = CancellationToken::new();
    let source = spawn(settings(&plane), shutdown.clone());
    let identity = timeout(DEADLINE, source.ready()).await.unwrap();
    let (_folder, _config) = plane.stop().await;
    let mut changes = source.subscribe();
    let withdrawn = changes.wait_for(Option::is_none);
    let patience = Duration::from_secs(25); // its ten seconds and the longest pause
    timeout(patience, withdrawn).await.unwrap().unwrap();
    assert!(identity.svid.not_after <= SystemTime::now());
    shutdown.cancel();
}

#[tokio::test]
async fn an_authority_that_is_somebody_else_gets_no_token() {
    let (plane, impostor) = tokio::join!(Plane::start(), Plane::start());
    let mut wrong_root = settings(&impostor);
    wrong_root.root_file = plane.config.root_file.clone();
    let mut wrong_id = settings(&plane);
    wrong_id.meshd_id = id("order");
    let mut wrong_name = settings(&plane);
    wrong_name.server_name = "meshd.other.svc".to_owned();
    tokio::join!(
        gets_nothing(wrong_root),
        gets_nothing(wrong_id),
        gets_nothing(wrong_name)
    );
    // The same settings without the mistake do get one.
    let shutdown = CancellationToken::new();
    first_serial(&spawn(settings(&plane), shutdown.clone())).await;
    shutdown.cancel();
}

#[tokio::test]
async fn a_certificate_for_another_account_than_ours_is_not_used() {
    let plane = Plane::start().await;
    let mut settings = settings(&plane);
    settings.id = id("debug"); // with the token of order
    gets_nothing(settings).await;
}

#[tokio::test]
async fn tokens_are_replaced_at_half_of_their_life() {
    let plane = Plane::start_with(|config: &mut Config| {
        config.token_ttl = Duration::from_secs(2);
    })
    .await;
    let path: PathBuf = plane.config.token_dir.join("shop.order");
    let first = std::fs::read_to_string(&path).unwrap();
    let replaced = async {
        let mut poll = tokio::time::interval(Duration::from_millis(50));
        while std::fs::read_to_string(&path).unwrap() == first {
            poll.tick().await;
        }
    };
    timeout(DEADLINE, replaced).await.unwrap();
    let shutdown = CancellationToken::new();
    first_serial(&spawn(settings(&plane), shutdown.clone())).await;
    shutdown.cancel();
}

#[tokio::test]
async fn a_start_with_a_foreign_state_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = config_in(&folder);
    let stop = CancellationToken::new();
    let running = run(config.clone(), stop.clone()).await.unwrap();
    stop.cancel();
    timeout(DEADLINE, running.ended()).await.unwrap();
    let mut other = config;
    other.trust_domain = "other.td".parse().unwrap();
    assert!(run(other, CancellationToken::new()).await.is_err());
}
