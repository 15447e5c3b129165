#![allow(clippy::unwrap_used)]

use std::time::Duration;

use mesh_dataplane::config::Env;

use super::Config;

const MINIMUM: [(&str, &str); 14] = [
    ("MESH_BIND_ADDRESS", "127.77.9.12"),
    ("MESH_NAMESPACE", "shop"),
    ("MESH_SERVICE_ACCOUNT", "order"),
    ("MESH_CA_ADDRESS", "127.77.9.2:15012"),
    ("MESH_CA_ROOT_FILE", "run/mesh/root-cert.pem"),
    ("MESH_TOKEN_FILE", "run/tokens/shop.order"),
    ("MESH_ENDPOINTS_FILE", "run/endpoints.yaml"),
    ("MESH_POLICY_PATHS", "k8s/base/policies"),
    ("DATABASE_URL", "postgres://order@127.77.9.4:5432/order"),
    ("DATABASE_PASSWORD_FILE", "run/secrets/postgres.order"),
    ("KAFKA_BROKERS", "127.77.9.3:9092"),
    ("KAFKA_USERNAME", "order"),
    ("KAFKA_PASSWORD_FILE", "run/secrets/kafka.order"),
    ("JWT_JWKS_FILE", "run/jwks.json"),
];

fn read(more: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let env = Env::from_pairs(MINIMUM.iter().chain(more).copied());
    Config::read(env).map_err(|error| {
        let names = error.mistakes().iter().map(|mistake| mistake.name.clone());
        names.collect()
    })
}

#[test]
fn an_order_has_30_seconds_unless_told_otherwise() {
    assert_eq!(read(&[]).unwrap().order_deadline, Duration::from_secs(30));
}

#[test]
fn the_deadline_is_a_setting_that_the_hold_of_the_stock_outlives() {
    let deadline = |text| read(&[("ORDER_DEADLINE_SECONDS", text)]).map(|c| c.order_deadline);
    assert_eq!(deadline("2").unwrap(), Duration::from_secs(2));
    assert_eq!(deadline("300").unwrap(), Duration::from_secs(300));
    for bad in ["0", "1", "301", "-1", "soon"] {
        assert_eq!(
            deadline(bad).unwrap_err(),
            ["ORDER_DEADLINE_SECONDS"],
            "{bad}"
        );
    }
}

#[test]
fn every_mistake_is_reported_at_once() {
    let mistakes = read(&[("KAFKA_BROKERS", ""), ("ORDER_DEADLINE_SECONDS", "0")]).unwrap_err();
    assert_eq!(mistakes, ["KAFKA_BROKERS", "ORDER_DEADLINE_SECONDS"]);
}
