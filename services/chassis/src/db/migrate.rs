//! Migrations: the chassis's own tables first, then the service's, under one advisory lock, so
//! that two processes that start together do not both run them.

use std::sync::Arc;
use std::time::Duration;

use diesel::migration::{self, Migration, MigrationSource};
use diesel::pg::Pg;
use diesel::sql_types::BigInt;
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::Database;
use crate::error::{Chain, Error};

/// Outbox, inbox, tasks, idempotency. Their versions begin with `0000`, before every date.
const CHASSIS: EmbeddedMigrations = embed_migrations!("migrations");
/// One lock for all services: each has its own database, and locks are per database.
const LOCK: i64 = 0x0074_7261_6465_0001;
/// Between two attempts; a database takes about this long to come up.
const PAUSE: Duration = Duration::from_secs(1);

/// Lends migrations, which can be neither copied nor cloned, to one attempt.
struct Lent<'m>(&'m EmbeddedMigrations);

impl Database {
    /// Waits for the database as long as it takes, then brings it to the version of this program.
    pub async fn migrate(&self, service: EmbeddedMigrations) {
        let service = Arc::new(service);
        loop {
            match self.try_migrate(&service).await {
                Ok(()) => return,
                Err(error @ Error::DatabaseDown(_)) => {
                    tracing::warn!(error = %Chain(&error), "waiting for the database");
                }
                Err(error) => tracing::error!(error = %Chain(&error), "database not migrated"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn try_migrate(&self, service: &Arc<EmbeddedMigrations>) -> Result<(), Error> {
        let mut conn = self.connect().await?;
        // The lock ends with the connection.
        diesel::sql_query("select pg_advisory_lock($1)")
            .bind::<BigInt, _>(LOCK)
            .execute(&mut conn)
            .await?;
        let service = Arc::clone(service);
        // The harness blocks; a thread made for that works on every kind of runtime.
        tokio::task::spawn_blocking(move || {
            let mut conn = AsyncConnectionWrapper::<AsyncPgConnection>::from(conn);
            for migrations in [&CHASSIS, &*service] {
                let done = conn.run_pending_migrations(Lent(migrations));
                let done = done.map_err(Error::Migrations)?;
                for version in done {
                    tracing::info!(%version, "migrated");
                }
            }
            Ok(())
        })
        .await
        .map_err(Error::Panicked)?
    }
}

impl MigrationSource<Pg> for Lent<'_> {
    fn migrations(&self) -> migration::Result<Vec<Box<dyn Migration<Pg>>>> {
        self.0.migrations()
    }
}
