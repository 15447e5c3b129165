#![allow(clippy::unwrap_used)]

use super::*;

fn mistakes(pairs: &[(&str, &str)]) -> Vec<String> {
    let mut env = Env::from_pairs(pairs.iter().copied());
    ProviderSettings::from_env(&mut env);
    match env.finish() {
        Ok(_) => Vec::new(),
        Err(error) => error
            .mistakes()
            .iter()
            .map(|mistake| mistake.name.clone())
            .collect(),
    }
}

#[test]
fn provider_needs_an_address_and_a_secret() {
    assert_eq!(mistakes(&[]), ["PSP_URL", "PSP_SECRET_FILE"]);
    for url in ["psp", "https://psp", "http://", "http://psp/?a=b"] {
        let mistakes = mistakes(&[("PSP_URL", url), ("PSP_SECRET_FILE", "/nowhere")]);
        assert_eq!(mistakes, ["PSP_URL", "PSP_SECRET_FILE"], "{url}");
    }
}

#[test]
fn secret_is_not_shown() {
    let settings = ProviderSettings {
        url: "http://psp".to_owned(),
        secret: "hush".to_owned(),
    };
    assert!(!format!("{settings:?}").contains("hush"));
}
