//! `meshctl status`.

use crate::mesh::Mesh;

const ORDER_HOST: u8 = 12;

fn row<'a>(out: &'a str, workload: &str) -> Vec<&'a str> {
    let line = out.lines().find(|line| line.starts_with(workload));
    line.unwrap_or_else(|| panic!("no {workload} in\n{out}"))
        .split_whitespace()
        .collect()
}

#[tokio::test]
async fn every_workload_is_shown_with_its_certificate() {
    let mesh = Mesh::start().await;
    let _order = mesh.member("order", ORDER_HOST).await;
    mesh.announce(&[("order", "order", ORDER_HOST)]);
    let said = mesh.say(&["status"]).await.expect(0);
    let meshd = row(&said.out, "meshd");
    assert_eq!(
        meshd[2..4],
        ["yes", "spiffe://cluster.local/ns/mesh-system/sa/meshd"]
    );
    let order = row(&said.out, "order");
    assert_eq!(order[1], mesh.host(ORDER_HOST).to_string());
    assert_eq!(
        order[2..4],
        ["yes", "spiffe://cluster.local/ns/shop/sa/order"]
    );
    assert!(order[4].len() >= 16, "{order:?}");
    assert_eq!(order.last(), Some(&"left"));
}

#[tokio::test]
async fn a_workload_that_is_down_fails_the_command_with_its_reason() {
    let mesh = Mesh::start().await;
    mesh.announce(&[("order", "order", ORDER_HOST)]);
    let said = mesh.say(&["status"]).await.expect(1);
    assert_eq!(row(&said.out, "order")[2], "no");
    assert!(
        said.out.contains("order: nobody listens at"),
        "{}",
        said.out
    );
    assert!(
        said.err.contains("1 of 2 workloads are not ready"),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn a_workload_with_another_identity_is_shown() {
    let mesh = Mesh::start().await;
    let _order = mesh.member("order", ORDER_HOST).await;
    mesh.announce(&[("payment", "payment", ORDER_HOST)]);
    let said = mesh.say(&["status"]).await.expect(0);
    assert!(
        said.out.contains("sa/order (expected spiffe://"),
        "{}",
        said.out
    );
}
