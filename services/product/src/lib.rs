//! The product service: the catalogue, its stock, and the promises made to orders.
//!
//! Reading order: `domain` (what is decided), `api`, `events` and `tasks` (who asks for it),
//! `store` (what is kept). The chassis does the rest: mesh, tokens, outbox, inbox, workers.

mod api;
mod config;
pub mod domain;
mod error;
mod events;
mod store;
mod tasks;

use chrono::{SubsecRound, Utc};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use shop_chassis::{Chassis, Running};
use shop_proto::product::v1::inventory_service_server::InventoryServiceServer;
use shop_proto::product::v1::product_service_server::ProductServiceServer;
use tokio_util::sync::CancellationToken;

use api::{InventoryApi, ProductApi};
pub use config::Config;
use domain::Time;
pub use error::Error;
use events::ProductEvents;
use store::Store;
use tasks::ProductTasks;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// Digits of a second that PostgreSQL keeps.
const TIME_DIGITS: u16 = 6;

/// Starts the service; it ends some time after `shutdown`.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<Running, Error> {
    let chassis = Chassis::start(&config.shop, MIGRATIONS, shutdown).await?;
    let store = Store::new(chassis.database());
    let products = ProductApi::new(store.clone(), chassis.page_tokens());
    let running = chassis
        .consume(
            &["order-events"],
            ProductEvents::new(config.reservation_hold),
        )
        .work(ProductTasks::new(store.clone()))
        .grpc(ProductServiceServer::new(products))
        .grpc(InventoryServiceServer::new(InventoryApi::new(store)))
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
