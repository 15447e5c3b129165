//! The program `notification`.

use shop_chassis::server::shutdown_on_signal;
use shop_notification::Config;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::from_env()?;
    let telemetry = mesh_telemetry::init(config.shop.telemetry())?;
    let running = shop_notification::run(config, shutdown_on_signal()).await?;
    running.finished().await;
    telemetry.shutdown();
    Ok(())
}
