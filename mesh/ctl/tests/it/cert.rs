//! `meshctl cert` and `meshctl cert inspect`.

use crate::mesh::{Mesh, mode_of};

const ORDER_HOST: u8 = 12;
const DEBUG: &str = "spiffe://cluster.local/ns/shop/sa/debug";

#[tokio::test]
async fn a_certificate_is_issued_and_shown() {
    let mesh = Mesh::start().await;
    let said = mesh.say(&["cert", "--as", "debug"]).await.expect(0);
    assert!(said.out.starts_with(&format!("{DEBUG}\n")), "{}", said.out);
    assert!(said.out.contains("s left)"), "{}", said.out);
    assert!(
        !said.out.contains("warning") && !said.out.contains("PRIVATE KEY"),
        "{}",
        said.out
    );
}

#[tokio::test]
async fn a_written_certificate_can_be_inspected_and_its_key_is_private() {
    let mesh = Mesh::start().await;
    let folder = mesh.path("out/debug");
    let out = folder.to_str().unwrap();
    for _ in 0..2 {
        mesh.say(&["cert", "--as", "debug", "--ttl", "10m", "--out", out])
            .await
            .expect(0);
    }
    assert_eq!(mode_of(&folder.join("key.pem")), 0o600);
    let root = std::fs::read_to_string(folder.join("root.pem")).unwrap();
    let published = std::fs::read_to_string(mesh.path("mesh/root-cert.pem")).unwrap();
    assert_eq!(root.trim(), published.trim());

    let chain = folder.join("chain.pem");
    let said = mesh
        .say(&["cert", "inspect", chain.to_str().unwrap()])
        .await
        .expect(0);
    assert!(
        said.out.contains(DEBUG) && said.out.contains("ECDSA P-256"),
        "{}",
        said.out
    );
    assert!(!said.out.contains("warning"), "{}", said.out);
}

#[tokio::test]
async fn an_account_without_a_token_is_told_which_file_is_missing() {
    let mesh = Mesh::start().await;
    let said = mesh.say(&["cert", "--as", "nobody"]).await.expect(1);
    assert!(said.err.contains("tokens/shop.nobody"), "{}", said.err);
    assert_eq!(said.out, "");
}

#[tokio::test]
async fn a_token_of_somebody_else_is_no_help() {
    let mesh = Mesh::start().await;
    std::fs::copy(
        mesh.path("tokens/shop.debug"),
        mesh.path("tokens/shop.stolen"),
    )
    .unwrap();
    let said = mesh.say(&["cert", "--as", "stolen"]).await.expect(1);
    assert!(
        said.err.contains("gives no certificate for \"stolen\""),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn an_authority_that_is_away_or_is_none_is_told() {
    let mesh = Mesh::start().await;
    let away = format!("{}:1", mesh.host(2));
    let said = mesh
        .say(&["cert", "--as", "debug", "--ca-address", &away])
        .await
        .expect(1);
    assert!(said.err.contains(&away), "{}", said.err);

    let _order = mesh.member("order", ORDER_HOST).await;
    let other = mesh.grpc(ORDER_HOST).to_string();
    let said = mesh
        .say(&["cert", "--as", "debug", "--ca-address", &other])
        .await
        .expect(1);
    assert!(said.err.contains("sa/order"), "{}", said.err);
}

#[tokio::test]
async fn wrong_usage_has_its_own_exit_code() {
    let mesh = Mesh::start().await;
    for arguments in [
        &["cert"][..],
        &["cert", "--as", "no such/account"],
        &["cert", "--as", "debug", "--ttl", "5s"],
        &["cert", "inspect", "neither-file-nor-address"],
        &["forward", "order"],
        &["forward", "order", "--as", "debug", "--listen", "0.0.0.0:0"],
        &["frobnicate"],
    ] {
        let said = mesh.say(arguments).await.expect(2);
        assert!(!said.err.is_empty() && said.out.is_empty(), "{arguments:?}");
    }
}

#[tokio::test]
async fn what_a_server_shows_is_read_and_checked() {
    let mesh = Mesh::start().await;
    let _order = mesh.member("order", ORDER_HOST).await;
    let address = mesh.grpc(ORDER_HOST).to_string();
    let said = mesh.say(&["cert", "inspect", &address]).await.expect(0);
    for part in [
        "TLSv1_3",
        "X25519MLKEM768",
        "h2",
        "spiffe://cluster.local/ns/shop/sa/order",
        "serial",
    ] {
        assert!(said.out.contains(part), "no {part:?} in\n{}", said.out);
    }
    assert!(!said.out.contains("warning"), "{}", said.out);

    let foreign = Mesh::start().await;
    let said = foreign.say(&["cert", "inspect", &address]).await.expect(0);
    assert!(
        said.out
            .contains("warning: does not lead to the mesh's root"),
        "{}",
        said.out
    );
}

#[tokio::test]
async fn what_cannot_be_inspected_is_an_error() {
    let mesh = Mesh::start().await;
    let garbage = mesh.path("garbage.pem");
    std::fs::write(
        &garbage,
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    mesh.say(&["cert", "inspect", garbage.to_str().unwrap()])
        .await
        .expect(1);
    let empty = mesh.path("empty.pem");
    std::fs::write(&empty, "").unwrap();
    mesh.say(&["cert", "inspect", empty.to_str().unwrap()])
        .await
        .expect(1);
    let nobody = format!("{}:1", mesh.host(99));
    mesh.say(&["cert", "inspect", &nobody]).await.expect(1);
}
