//! The notification service: tells customers by mail what became of their orders, and keeps what
//! was sent. It decides nothing about an order.

mod api;
mod config;
mod domain;
mod error;
mod events;
mod mailer;
mod metrics;
mod order_client;
mod store;
mod tasks;
mod templates;

use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use shop_chassis::{Chassis, Running};
use shop_proto::notification::v1::notification_service_server::NotificationServiceServer;
use tokio_util::sync::CancellationToken;

pub use config::Config;
pub use error::Error;

use crate::api::NotificationApi;
use crate::events::{NotificationEvents, TOPICS};
use crate::mailer::Mailer;
use crate::order_client::OrderClient;
use crate::store::Store;
use crate::tasks::NotificationTasks;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// Starts the service. It runs until `shutdown` and waits by itself for what it needs.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<Running, Error> {
    let chassis = Chassis::start(&config.shop, MIGRATIONS, shutdown).await?;
    let store = Store::new(chassis.database());
    let api = NotificationApi::new(store.clone(), chassis.page_tokens());
    let orders = OrderClient::new(chassis.channel("order"));
    let tasks = NotificationTasks::new(store, orders, Mailer::new(config.smtp));
    let running = chassis
        .consume(TOPICS, NotificationEvents)
        .work(tasks)
        .grpc(NotificationServiceServer::new(api))
        .serve(shop_proto::FILE_DESCRIPTOR_SET)
        .await?;
    Ok(running)
}

#[cfg(test)]
mod tests;
