//! Endpoints: what a WorkloadEntry says, what is refused, and that a bad file changes nothing.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::Readiness;

const GOOD: &str = "\
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: product-1, namespace: shop}
spec:
  address: 127.77.0.11
  ports: {grpc: 50051}
  serviceAccount: product
  labels: {app: product}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: order-1, namespace: shop, labels: {unknown: fields, are: kept}}
spec:
  address: 127.77.0.12
  ports: {grpc: 50051, http: 80}
  serviceAccount: order
  labels: {app: order, version: v1}
  weight: 3
";

fn domain() -> TrustDomain {
    "cluster.local".parse().unwrap()
}

fn parse(text: &str) -> Result<Endpoints, Error> {
    Endpoints::parse(text, Path::new("endpoints.yaml"), &domain())
}

#[test]
fn each_document_is_an_endpoint_of_its_service() {
    let endpoints = parse(GOOD).unwrap();
    let order = endpoints.of("shop", "order");
    assert_eq!(order.len(), 1);
    assert_eq!(order[0].address.to_string(), "127.77.0.12:50051");
    assert_eq!(
        order[0].id.to_string(),
        "spiffe://cluster.local/ns/shop/sa/order"
    );
    assert!(endpoints.of("shop", "payment").is_empty());
    assert!(endpoints.of("other", "order").is_empty());
    assert_eq!(parse("").unwrap(), Endpoints::default());
}

#[test]
fn a_document_that_cannot_be_used_is_named_with_its_field() {
    let cases = [
        (
            GOOD.replace("127.77.0.12", "order.local"),
            "document 2",
            "spec.address",
        ),
        (
            GOOD.replace("127.77.0.12", "order.local"),
            "\"order-1\"",
            "spec.address",
        ),
        (
            GOOD.replace("{grpc: 50051}", "{http: 80}"),
            "document 1",
            "spec.ports",
        ),
        (
            GOOD.replace("app: order, ", ""),
            "document 2",
            "spec.labels",
        ),
        (
            GOOD.replace("serviceAccount: product", "serviceAccount: Pro/duct"),
            "1",
            "identity",
        ),
        (
            GOOD.replacen("WorkloadEntry", "ServiceEntry", 1),
            "document 1",
            "ServiceEntry",
        ),
        (
            GOOD.replacen("  address: 127.77.0.11\n", "", 1),
            "document 0",
            "address",
        ),
    ];
    for (text, place, field) in cases {
        let message = parse(&text).unwrap_err().to_string();
        assert!(
            message.contains(place) && message.contains(field),
            "{message}"
        );
    }
}

#[tokio::test]
async fn a_changed_file_is_taken_and_a_broken_one_changes_nothing() {
    let folder = std::env::temp_dir().join(format!("mesh-dataplane-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("endpoints.yaml");
    let readiness = Readiness::default();
    let read = readiness.condition("endpoints");
    let discovery = Discovery::default();
    let domain = domain();

    let seen = discovery.look(&path, &domain, &read, None).await;
    assert!(!readiness.is_ready(), "there is no file yet");

    std::fs::write(&path, GOOD).unwrap();
    let seen = discovery.look(&path, &domain, &read, Some(seen)).await;
    assert!(readiness.is_ready());
    let taken = discovery.current();
    assert_eq!(taken.of("shop", "order").len(), 1);

    std::fs::write(&path, "kind: [").unwrap();
    let seen = discovery.look(&path, &domain, &read, Some(seen)).await;
    assert!(Arc::ptr_eq(&taken, &discovery.current()) && readiness.is_ready());

    std::fs::remove_file(&path).unwrap();
    let seen = discovery.look(&path, &domain, &read, Some(seen)).await;
    assert!(Arc::ptr_eq(&taken, &discovery.current()));

    std::fs::write(&path, GOOD.replace("app: order", "app: orders")).unwrap();
    discovery.look(&path, &domain, &read, Some(seen)).await;
    assert!(discovery.current().of("shop", "order").is_empty());
    assert_eq!(discovery.current().of("shop", "orders").len(), 1);
    std::fs::remove_dir_all(&folder).unwrap();
}
