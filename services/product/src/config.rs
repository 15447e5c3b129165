//! Settings of the product service: those of every service, and how long stock is held.

use std::ops::RangeInclusive;
use std::time::Duration;

use mesh_dataplane::config::{ConfigError, Env};
use shop_chassis::ShopSettings;

/// Longer than an order's deadline with all its retries: what expires is an order that nobody
/// decides on.
const RESERVATION_HOLD_DEFAULT: Duration = Duration::from_secs(600);
/// Below a minute an order (30 s deadline) could lose its stock while it is being decided; beyond a
/// day an order that was forgotten keeps stock from others.
const RESERVATION_HOLD_SECONDS: RangeInclusive<u64> = 60..=86_400;

/// What the product service is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// What every service is told.
    pub shop: ShopSettings,
    /// How long stock is held for an order that is not confirmed.
    pub reservation_hold: Duration,
}

// === impl Config ===

impl Config {
    /// Reads the environment of this process; fails with every mistake at once.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::read(Env::from_process())
    }

    fn read(mut env: Env) -> Result<Self, ConfigError> {
        let config = Self {
            shop: ShopSettings::from_env(&mut env),
            reservation_hold: env.seconds(
                "RESERVATION_HOLD_SECONDS",
                RESERVATION_HOLD_DEFAULT,
                RESERVATION_HOLD_SECONDS,
            ),
        };
        env.finish()?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests;
