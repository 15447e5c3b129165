//! The order service: orders, and the saga that takes each of them to PAID or back.
//!
//! Reading order: `domain` and `saga` (what is decided), `api`, `events` and `tasks` (who asks for
//! it), `store` (what is kept). The chassis does the rest: mesh, tokens, outbox, inbox, workers.

mod api;
mod config;
mod domain;
mod error;
mod events;
mod inventory_client;
mod payment_client;
mod product_client;
mod saga;
mod store;
mod tasks;

use chrono::{SubsecRound, Utc};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use shop_chassis::{Chassis, Running};
use shop_proto::order::v1::order_internal_service_server::OrderInternalServiceServer;
use shop_proto::order::v1::order_service_server::OrderServiceServer;
use tokio_util::sync::CancellationToken;

use api::{OrderApi, OrderInternalApi};
pub use config::Config;
use domain::Time;
pub use error::Error;
use events::OrderEvents;
use inventory_client::InventoryClient;
use payment_client::PaymentClient;
use product_client::ProductClient;
use store::Store;
use tasks::OrderTasks;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// Digits of a second that PostgreSQL keeps.
const TIME_DIGITS: u16 = 6;

/// Starts the service; it ends some time after `shutdown`.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<Running, Error> {
    let chassis = Chassis::start(&config.shop, MIGRATIONS, shutdown).await?;
    let store = Store::new(chassis.database());
    let products = ProductClient::new(chassis.channel("product"));
    let tokens = chassis.page_tokens();
    let orders = OrderApi::new(store.clone(), products, tokens, config.order_deadline);
    let tasks = OrderTasks::new(
        store.clone(),
        InventoryClient::new(chassis.channel("product")),
        PaymentClient::new(chassis.channel("payment")),
    );
    let running = chassis
        .consume(events::TOPICS, OrderEvents)
        .work(tasks)
        .grpc(OrderServiceServer::new(orders))
        .grpc(OrderInternalServiceServer::new(OrderInternalApi::new(
            store,
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
