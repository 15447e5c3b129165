//! The program `payment`: settings, telemetry, and the service until it is asked to stop.

use shop_payment::Config;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::from_env()?;
    let telemetry = mesh_telemetry::init(config.shop.telemetry())?;
    let shutdown = shop_chassis::server::shutdown_on_signal();
    let running = shop_payment::run(config, shutdown).await?;
    running.finished().await;
    telemetry.shutdown();
    Ok(())
}
