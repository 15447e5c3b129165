//! The program `order`: settings, telemetry, and the service until SIGTERM.

use shop_order::{Config, run};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::from_env()?;
    let telemetry = mesh_telemetry::init(config.shop.telemetry())?;
    let running = run(config, shop_chassis::server::shutdown_on_signal()).await?;
    running.finished().await;
    telemetry.shutdown();
    Ok(())
}
