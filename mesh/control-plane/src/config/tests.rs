//! Settings: the usual ones, and all mistakes in one report.
#![allow(clippy::unwrap_used)]

use mesh_dataplane::Env;

use super::{Config, Ports};

const USUAL: [(&str, &str); 5] = [
    ("MESHD_BIND_ADDRESS", "127.77.0.2"),
    ("MESHD_STATE_DIR", ".local/data/0/meshd"),
    ("MESHD_ROOT_FILE", ".local/run/0/mesh/root-cert.pem"),
    ("MESHD_TOKEN_DIR", ".local/run/0/tokens"),
    ("MESHD_ACCOUNTS", "shop/order, shop/debug"),
];

#[test]
fn the_usual_settings_are_read() {
    let mut env = Env::from_pairs(USUAL);
    let config = Config::from_env(&mut env);
    env.finish().unwrap();
    assert_eq!(config.bind_address.to_string(), "127.77.0.2");
    assert_eq!(config.ports, Ports::default());
    assert_eq!(config.token_ttl.as_secs(), 600);
    let accounts: Vec<String> = config.accounts.iter().map(ToString::to_string).collect();
    assert_eq!(accounts, ["shop/order", "shop/debug"]);
    assert_eq!(
        config.own_id().to_string(),
        "spiffe://cluster.local/ns/mesh-system/sa/meshd"
    );
}

#[test]
fn every_mistake_is_reported_at_once() {
    let mut env = Env::from_pairs([
        ("MESHD_BIND_ADDRESS", "localhost"),
        (
            "MESHD_ACCOUNTS",
            "shop/order,order,shop/Order,../../etc/passwd",
        ),
        ("MESH_TRUST_DOMAIN", "Cluster Local"),
        ("MESHD_TOKEN_TTL_SECONDS", "5"),
    ]);
    Config::from_env(&mut env);
    let error = env.finish().unwrap_err();
    let names: Vec<&str> = error
        .mistakes()
        .iter()
        .map(|mistake| mistake.name.as_str())
        .collect();
    for name in [
        "MESHD_BIND_ADDRESS",
        "MESHD_STATE_DIR",
        "MESHD_ROOT_FILE",
        "MESHD_TOKEN_DIR",
        "MESH_TRUST_DOMAIN",
        "MESHD_TOKEN_TTL_SECONDS",
    ] {
        assert!(names.contains(&name), "{name} is missing in {names:?}");
    }
    let accounts = names.iter().filter(|name| **name == "MESHD_ACCOUNTS");
    assert_eq!(accounts.count(), 3);
}
