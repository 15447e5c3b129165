//! Settings: defaults, bounds, and one report of all mistakes.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use mesh_dataplane::config::Env;

use super::Config;

const MINIMUM: [(&str, &str); 14] = [
    ("MESH_BIND_ADDRESS", "127.77.9.11"),
    ("MESH_NAMESPACE", "shop"),
    ("MESH_SERVICE_ACCOUNT", "product"),
    ("MESH_CA_ADDRESS", "127.77.9.2:15012"),
    ("MESH_CA_ROOT_FILE", "run/mesh/root-cert.pem"),
    ("MESH_TOKEN_FILE", "run/tokens/shop.product"),
    ("MESH_ENDPOINTS_FILE", "run/endpoints.yaml"),
    ("MESH_POLICY_PATHS", "k8s/base/policies"),
    ("DATABASE_URL", "postgres://product@127.77.9.4:5432/product"),
    ("DATABASE_PASSWORD_FILE", "run/secrets/postgres.product"),
    ("KAFKA_BROKERS", "127.77.9.3:9092"),
    ("KAFKA_USERNAME", "product"),
    ("KAFKA_PASSWORD_FILE", "run/secrets/kafka.product"),
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
fn hold_has_a_default() {
    assert_eq!(
        read(&[]).unwrap().reservation_hold,
        Duration::from_secs(600)
    );
}

#[test]
fn hold_is_a_setting_within_bounds() {
    let hold = |text| read(&[("RESERVATION_HOLD_SECONDS", text)]).map(|c| c.reservation_hold);
    assert_eq!(hold("60").unwrap(), Duration::from_secs(60));
    assert_eq!(hold("86400").unwrap(), Duration::from_secs(86_400));
    for bad in ["59", "86401", "-1", "ten"] {
        assert_eq!(
            hold(bad).unwrap_err(),
            ["RESERVATION_HOLD_SECONDS"],
            "{bad}"
        );
    }
}

#[test]
fn every_mistake_is_reported_at_once() {
    let mistakes = read(&[("KAFKA_BROKERS", ""), ("RESERVATION_HOLD_SECONDS", "0")]).unwrap_err();
    assert_eq!(mistakes, ["KAFKA_BROKERS", "RESERVATION_HOLD_SECONDS"]);
}
