//! One connection to PostgreSQL. The password is read from its file each time, so that it can be
//! changed under a running service.

use std::time::Duration;

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::{
    AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod,
};
use tokio_postgres::NoTls;

use super::Manager;
use crate::config::DatabaseSettings;

/// A server that accepts and then says nothing is away. Hashing the password takes its time on a
/// busy machine.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A transaction whose process hangs must not hold its rows for ever.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(30);

pub(super) fn manager(settings: &DatabaseSettings) -> Manager {
    let settings = settings.clone();
    let mut config = ManagerConfig::<AsyncPgConnection>::default();
    // Whoever begins a transaction sees whether the connection still is one.
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(move |_| {
        let settings = settings.clone();
        Box::pin(async move { connect(&settings).await })
    });
    AsyncDieselConnectionManager::new_with_config(String::new(), config)
}

/// Connects as the settings say, or says within seconds that it cannot.
pub(crate) async fn connect(settings: &DatabaseSettings) -> ConnectionResult<AsyncPgConnection> {
    match tokio::time::timeout(CONNECT_TIMEOUT, try_connect(settings)).await {
        Ok(result) => result,
        Err(elapsed) => Err(ConnectionError::BadConnection(elapsed.to_string())),
    }
}

async fn try_connect(settings: &DatabaseSettings) -> ConnectionResult<AsyncPgConnection> {
    let mut config: tokio_postgres::Config =
        settings
            .url
            .parse()
            .map_err(|error: tokio_postgres::Error| {
                ConnectionError::InvalidConnectionUrl(error.to_string())
            })?;
    if let Some(file) = &settings.password_file {
        let password = tokio::fs::read_to_string(file).await.map_err(|error| {
            ConnectionError::BadConnection(format!("\"{}\": {error}", file.display()))
        })?;
        config.password(password.trim());
    }
    config
        .application_name(&settings.application)
        .options(format!(
            "-c idle_in_transaction_session_timeout={}",
            IDLE_IN_TRANSACTION.as_millis()
        ));
    let (client, connection) = config
        .connect(NoTls)
        .await
        .map_err(|error| bad_connection(&error))?;
    AsyncPgConnection::try_from_client_and_connection(client, connection).await
}

fn bad_connection(error: &tokio_postgres::Error) -> ConnectionError {
    ConnectionError::BadConnection(crate::error::Chain(error).to_string())
}
