//! Settings of the notification service: what every service is told, and where the mails go.

use mesh_dataplane::config::{ConfigError, Env};
use shop_chassis::ShopSettings;

use crate::mailer::SmtpAddress;

/// The settings of one process.
#[derive(Clone, Debug)]
pub struct Config {
    /// What every service of the shop is told.
    pub shop: ShopSettings,
    /// The mail server.
    pub(crate) smtp: SmtpAddress,
}

// === impl Config ===

impl Config {
    /// Reads the variables of this process, and names every one that is missing or wrong.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::read(Env::from_process())
    }

    fn read(mut env: Env) -> Result<Self, ConfigError> {
        let config = Self {
            shop: ShopSettings::from_env(&mut env),
            smtp: env.required_parsed("SMTP_ADDRESS", SmtpAddress::unset()),
        };
        env.finish()?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests;
