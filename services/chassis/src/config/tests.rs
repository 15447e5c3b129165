//! Settings from variables: what is needed, what has a default, what is refused.

#![allow(clippy::unwrap_used)]

use mesh_dataplane::Env;

use super::ShopSettings;

const GOOD: [(&str, &str); 14] = [
    ("MESH_BIND_ADDRESS", "127.77.0.12"),
    ("MESH_NAMESPACE", "shop"),
    ("MESH_SERVICE_ACCOUNT", "order"),
    ("MESH_CA_ADDRESS", "127.77.0.2:15012"),
    ("MESH_CA_ROOT_FILE", "run/mesh/root-cert.pem"),
    ("MESH_TOKEN_FILE", "run/tokens/shop.order"),
    ("MESH_ENDPOINTS_FILE", "run/endpoints.yaml"),
    ("MESH_POLICY_PATHS", "k8s/base/policies"),
    ("DATABASE_URL", "postgres://order@127.77.0.4:5432/order"),
    ("DATABASE_PASSWORD_FILE", "run/secrets/postgres.order"),
    ("KAFKA_BROKERS", "127.77.0.3:9092"),
    ("KAFKA_USERNAME", "order"),
    ("KAFKA_PASSWORD_FILE", "run/secrets/kafka.order"),
    ("JWT_JWKS_FILE", "run/jwks.json"),
];

fn mistakes(pairs: impl IntoIterator<Item = (&'static str, &'static str)>) -> Vec<String> {
    let mut env = Env::from_pairs(pairs);
    ShopSettings::from_env(&mut env);
    match env.finish() {
        Ok(()) => Vec::new(),
        Err(error) => error
            .mistakes()
            .iter()
            .map(|mistake| mistake.name.clone())
            .collect(),
    }
}

#[test]
fn the_agreed_variables_are_enough() {
    let mut env = Env::from_pairs(GOOD);
    let settings = ShopSettings::from_env(&mut env);
    env.finish().unwrap();
    assert_eq!(settings.service(), "order");
    assert_eq!(settings.jwt.issuer, "https://dev.tradewind.local");
    assert_eq!(settings.jwt.audience, "tradewind");
    assert_eq!(settings.telemetry().service, "order");
}

#[test]
fn every_missing_variable_is_named_at_once() {
    let missing = mistakes([]);
    for (name, _) in GOOD {
        // The namespace may have a default; what has none must be told.
        assert!(
            missing.iter().any(|told| told == name) || name.starts_with("MESH_"),
            "{name}"
        );
    }
    assert!(missing.len() > 6, "{missing:?}");
}

#[test]
fn a_password_in_the_url_is_refused() {
    let with_password = GOOD.map(|(name, value)| match name {
        "DATABASE_URL" => (name, "postgres://order:secret@127.77.0.4:5432/order"),
        _ => (name, value),
    });
    assert_eq!(mistakes(with_password), ["DATABASE_URL"]);
}

#[test]
fn settings_show_no_secret() {
    let mut env = Env::from_pairs(GOOD);
    let settings = ShopSettings::from_env(&mut env);
    env.finish().unwrap();
    let shown = format!("{settings:?}");
    assert!(
        shown.contains("run/secrets/postgres.order"),
        "where it is, not what it is: {shown}"
    );
}
