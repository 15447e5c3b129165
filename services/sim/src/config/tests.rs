#![allow(clippy::unwrap_used)]

use super::*;

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

fn with_secret(contents: &str) -> Result<Config, Error> {
    let path = std::env::temp_dir().join(format!("psp-secret-{}", uuid::Uuid::now_v7()));
    fs::write(&path, contents).unwrap();
    let config = Config::from_variables(&variables(&[
        ("SIM_BIND_ADDRESS", "127.0.0.1:0"),
        ("SIM_SECRET_FILE", path.to_str().unwrap()),
        ("SIM_STATE_FILE", "/nowhere/state.json"),
    ]));
    fs::remove_file(&path).unwrap();
    config
}

#[test]
fn every_mistake_is_reported_at_once() {
    let error = Config::from_variables(&variables(&[
        ("SIM_BIND_ADDRESS", "nowhere"),
        ("SIM_SECRET_FILE", "/does/not/exist"),
        ("SIM_TIMEOUT_SECONDS", "soon"),
    ]));
    let Err(Error::Config(mistakes)) = error else {
        panic!("accepted")
    };
    assert_eq!(mistakes.len(), 4, "{mistakes:?}");
}

#[test]
fn secret_is_read_from_its_file_without_its_line_end() {
    let config = with_secret("s3cret\n").unwrap();
    assert_eq!(config.secret, "s3cret");
    assert_eq!(config.silence, SILENCE_DEFAULT);
}

#[test]
fn empty_secret_is_refused() {
    let Err(Error::Config(mistakes)) = with_secret(" \n") else {
        panic!("accepted")
    };
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
}
