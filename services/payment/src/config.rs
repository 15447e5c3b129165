//! Settings: those that every service of the shop has, and how the payment provider is reached.
//! The only file that reads the environment.

use mesh_dataplane::config::{ConfigError, Env};
use shop_chassis::ShopSettings;

/// What this service is told.
#[derive(Clone, Debug)]
pub struct Config {
    pub shop: ShopSettings,
    pub provider: ProviderSettings,
}

/// How the payment provider is reached.
#[derive(Clone)]
pub struct ProviderSettings {
    /// `PSP_URL`, for example `http://127.77.0.7:8090`.
    pub url: String,
    /// The contents of `PSP_SECRET_FILE`.
    pub secret: String,
}

// === impl Config ===

impl Config {
    /// From this process's environment; every mistake is reported at once.
    pub fn from_env() -> Result<Self, ConfigError> {
        let mut env = Env::from_process();
        let config = Self {
            shop: ShopSettings::from_env(&mut env),
            provider: ProviderSettings::from_env(&mut env),
        };
        env.finish()?;
        Ok(config)
    }
}

// === impl ProviderSettings ===

impl ProviderSettings {
    fn from_env(env: &mut Env) -> Self {
        let url = env.required("PSP_URL");
        let plain = url.parse::<http::Uri>().is_ok_and(|uri| {
            uri.scheme_str() == Some("http") && uri.host().is_some() && uri.query().is_none()
        });
        if !url.is_empty() && !plain {
            env.mistake("PSP_URL", "is not an http:// address");
        }
        Self {
            url,
            secret: env.secret_file("PSP_SECRET_FILE"),
        }
    }
}

impl std::fmt::Debug for ProviderSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProviderSettings")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
