//! Settings of the simulator, from the environment. The only file that reads it.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::Error;

/// As long as the contract with the shop says `tok_timeout` stays silent.
const SILENCE_DEFAULT: Duration = Duration::from_secs(10);

/// What the simulator is told.
#[derive(Clone)]
pub struct Config {
    /// Where it listens (`SIM_BIND_ADDRESS`).
    pub bind_address: SocketAddr,
    /// What clients must know (the contents of `SIM_SECRET_FILE`).
    pub secret: String,
    /// Where the book is kept (`SIM_STATE_FILE`).
    pub state_file: PathBuf,
    /// How long `tok_timeout` answers nothing (`SIM_TIMEOUT_SECONDS`, default 10).
    pub silence: Duration,
    /// The tracing filter (`LOG`, default `info`).
    pub log_filter: String,
}

// === impl Config ===

impl Config {
    /// From this process's environment; every mistake is reported at once.
    pub fn from_process() -> Result<Self, Error> {
        Self::from_variables(&std::env::vars().collect())
    }

    fn from_variables(variables: &BTreeMap<String, String>) -> Result<Self, Error> {
        let mut mistakes = Vec::new();
        let mut required = |name: &str| {
            let value = variables.get(name).cloned().unwrap_or_default();
            if value.is_empty() {
                mistakes.push(format!("{name} is required"));
            }
            value
        };
        let address = required("SIM_BIND_ADDRESS");
        let secret_file = required("SIM_SECRET_FILE");
        let state_file = required("SIM_STATE_FILE");

        let bind_address = address.parse().unwrap_or_else(|_| {
            if !address.is_empty() {
                mistakes.push(format!(
                    "SIM_BIND_ADDRESS \"{address}\" is not an address and port"
                ));
            }
            SocketAddr::from(([127, 0, 0, 1], 0))
        });
        let secret = read_secret(&secret_file, &mut mistakes);
        let silence = match variables
            .get("SIM_TIMEOUT_SECONDS")
            .map(|text| text.parse())
        {
            None => SILENCE_DEFAULT,
            Some(Ok(seconds)) => Duration::from_secs(seconds),
            Some(Err(_)) => {
                mistakes.push("SIM_TIMEOUT_SECONDS is not a number of whole seconds".to_owned());
                SILENCE_DEFAULT
            }
        };
        if !mistakes.is_empty() {
            return Err(Error::Config(mistakes));
        }
        Ok(Self {
            bind_address,
            secret,
            state_file: PathBuf::from(state_file),
            silence,
            log_filter: variables
                .get("LOG")
                .cloned()
                .unwrap_or_else(|| "info".to_owned()),
        })
    }
}

fn read_secret(path: &str, mistakes: &mut Vec<String>) -> String {
    if path.is_empty() {
        return String::new();
    }
    match fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => return text.trim().to_owned(),
        Ok(_) => mistakes.push(format!("SIM_SECRET_FILE \"{path}\" is empty")),
        Err(error) => mistakes.push(format!("SIM_SECRET_FILE \"{path}\": {error}")),
    }
    String::new()
}

#[cfg(test)]
mod tests;
