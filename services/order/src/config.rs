//! Settings of the order service: those of every service, and how long an order may be undecided.

use std::ops::RangeInclusive;
use std::time::Duration;

use mesh_dataplane::config::{ConfigError, Env};
use shop_chassis::ShopSettings;

/// Eight attempts at a payment provider fit in, and a customer is told within half a minute.
const ORDER_DEADLINE_DEFAULT: Duration = Duration::from_secs(30);
/// An order needs a second or two; the hold of its stock (10 min) must outlive it with all retries.
const ORDER_DEADLINE_SECONDS: RangeInclusive<u64> = 2..=300;

/// What the order service is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// What every service is told.
    pub shop: ShopSettings,
    /// How long after its creation an order that is not settled is cancelled.
    pub order_deadline: Duration,
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
            order_deadline: env.seconds(
                "ORDER_DEADLINE_SECONDS",
                ORDER_DEADLINE_DEFAULT,
                ORDER_DEADLINE_SECONDS,
            ),
        };
        env.finish()?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests;
