//! Every mistake in the environment is reported at once.
#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn a_missing_mail_server_is_reported_with_all_else_that_is_missing() {
    let error = Config::read(Env::from_pairs([("MESH_NAMESPACE", "shop")])).unwrap_err();
    let names: Vec<&str> = error
        .mistakes()
        .iter()
        .map(|mistake| mistake.name.as_str())
        .collect();
    for name in [
        "SMTP_ADDRESS",
        "DATABASE_URL",
        "KAFKA_BROKERS",
        "MESH_SERVICE_ACCOUNT",
    ] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
}

#[test]
fn a_mail_server_without_a_port_is_a_mistake() {
    let error = Config::read(Env::from_pairs([("SMTP_ADDRESS", "smtp")])).unwrap_err();
    let mistake = error
        .mistakes()
        .iter()
        .find(|mistake| mistake.name == "SMTP_ADDRESS")
        .unwrap();
    assert!(
        mistake.problem.contains("<host>:<port>"),
        "{}",
        mistake.problem
    );
}
