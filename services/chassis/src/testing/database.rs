//! A database per test, on the instance's PostgreSQL.

use std::path::PathBuf;
use std::thread;

use diesel_async::RunQueryDsl;
use diesel_migrations::EmbeddedMigrations;
use mesh_dataplane::Env;
use uuid::Uuid;

use crate::config::DatabaseSettings;
#[cfg(test)]
use crate::config::KafkaSettings;
use crate::db::{Database, connect};

/// Where the instance is.
struct Instance {
    run: PathBuf,
    number: String,
}

/// A database that is dropped with this value.
pub struct TestDatabase {
    database: Database,
    settings: DatabaseSettings,
    name: String,
}

// === impl TestDatabase ===

impl TestDatabase {
    /// Makes a database and brings it to the version of `migrations`.
    pub async fn create(migrations: EmbeddedMigrations) -> Self {
        let name = format!("test_{}", Uuid::now_v7().simple());
        let settings = Instance::of_tests().postgres(&name);
        administer(format!("create database {name}")).await;
        let database = Database::new(settings.clone());
        database.migrate(migrations).await;
        Self {
            database,
            settings,
            name,
        }
    }

    /// The database, as a service has it.
    pub fn database(&self) -> Database {
        self.database.clone()
    }

    /// How it is reached, for tests that open it a second time.
    pub fn settings(&self) -> DatabaseSettings {
        self.settings.clone()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let sql = format!("drop database if exists {} with (force)", self.name);
        // The test's runtime may be ending with a panic: a thread with its own one still works.
        let dropped = thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime can be made")
                .block_on(administer(sql));
        });
        if dropped.join().is_err() {
            tracing::warn!(name = self.name, "test database stays");
        }
    }
}

// === impl Instance ===

impl Instance {
    fn of_tests() -> Self {
        let mut env = Env::from_process();
        let run = env.required("TRADEWIND_RUN");
        let number = env.required("TRADEWIND_INSTANCE");
        env.finish().expect("these tests need a running instance");
        Self {
            run: run.into(),
            number,
        }
    }

    fn postgres(&self, database: &str) -> DatabaseSettings {
        DatabaseSettings {
            url: format!(
                "postgres://postgres@127.77.{}.4:5432/{database}",
                self.number
            ),
            password_file: Some(self.run.join("secrets/postgres.admin")),
            application: "test".to_owned(),
        }
    }
}

/// The instance's broker, as its super user.
#[cfg(test)]
pub(crate) fn kafka_admin() -> KafkaSettings {
    let instance = Instance::of_tests();
    KafkaSettings {
        brokers: format!("127.77.{}.3:9092", instance.number),
        username: "admin".to_owned(),
        password_file: instance.run.join("secrets/kafka.admin"),
    }
}

async fn administer(sql: String) {
    let settings = Instance::of_tests().postgres("postgres");
    let mut conn = connect(&settings)
        .await
        .expect("the instance's PostgreSQL answers");
    diesel::sql_query(sql)
        .execute(&mut conn)
        .await
        .expect("a super user may do this");
}
