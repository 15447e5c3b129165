//! The payment service: the money of orders, held, taken and given back through a provider.
//!
//! Reading order: `domain` (what is decided), `settlement` (how the provider is asked), `api`,
//! `events` and `tasks` (who wants it), `store` (what is kept). No card number comes here: the
//! means of payment is the provider's own token, kept by the order service.

mod api;
mod config;
mod domain;
mod error;
mod events;
mod metrics;
mod order_client;
mod provider;
mod settlement;
mod store;
mod tasks;

use chrono::{SubsecRound, Utc};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use shop_chassis::{Chassis, Running};
use shop_proto::payment::v1::payment_control_service_server::PaymentControlServiceServer;
use shop_proto::payment::v1::payment_service_server::PaymentServiceServer;
use tokio_util::sync::CancellationToken;

use api::{ControlApi, PaymentApi};
pub use config::{Config, ProviderSettings};
use domain::Time;
pub use error::Error;
use events::PaymentEvents;
use order_client::OrderClient;
use provider::Provider;
use settlement::Settlement;
use store::Store;
use tasks::PaymentTasks;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// Digits of a second that PostgreSQL keeps.
const TIME_DIGITS: u16 = 6;

/// Starts the service; it ends some time after `shutdown`.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<Running, Error> {
    let provider = Provider::new(&config.provider)?;
    let chassis = Chassis::start(&config.shop, MIGRATIONS, shutdown).await?;
    let store = Store::new(chassis.database());
    let settlement = Settlement::new(store.clone(), provider);
    let orders = OrderClient::new(chassis.channel("order"));
    let payments = PaymentApi::new(store.clone(), chassis.page_tokens());
    let running = chassis
        .consume(&["order-events"], PaymentEvents)
        .work(PaymentTasks::new(store, settlement.clone(), orders))
        .grpc(PaymentServiceServer::new(payments))
        .grpc(PaymentControlServiceServer::new(ControlApi::new(
            settlement,
        )))
        .serve(shop_proto::FILE_DESCRIPTOR_SET)
        .await?;
    Ok(running)
}

/// The time, as fine as the database keeps it: what a call answers is what the next one reads.
fn now() -> Time {
    Utc::now().trunc_subsecs(TIME_DIGITS)
}

#[cfg(test)]
mod tests;
