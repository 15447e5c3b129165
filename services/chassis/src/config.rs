//! Settings that every service of the shop has. A service reads its own beside them, with the same
//! reader, so that one run names every variable that is wrong.

use std::path::PathBuf;

use mesh_dataplane::config::{Env, Settings as MeshSettings};

/// Issuer of the development tokens that set-up makes keys for.
const ISSUER_DEFAULT: &str = "https://dev.tradewind.local";
/// The audience that every token for the shop's API names.
const AUDIENCE_DEFAULT: &str = "tradewind";

/// What every service is told: its place in the mesh, its database, the broker, and whose tokens
/// it accepts.
#[derive(Clone, Debug)]
pub struct ShopSettings {
    /// The mesh: identity, addresses, lifetimes, log filter.
    pub mesh: MeshSettings,
    /// The service's own database.
    pub database: DatabaseSettings,
    /// The broker.
    pub kafka: KafkaSettings,
    /// Tokens of end users.
    pub jwt: JwtSettings,
}

/// How the database is reached.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// `postgres://role@host:port/database`, without a password.
    pub url: String,
    /// The file with the password, read at each new connection; none means no password.
    pub password_file: Option<PathBuf>,
    /// The name that the server shows for our connections.
    pub application: String,
}

/// How the broker is reached.
#[derive(Clone, Debug)]
pub struct KafkaSettings {
    /// `host:port`, comma-separated.
    pub brokers: String,
    /// SCRAM user name; also the service's own name in events.
    pub username: String,
    /// The file with the password, read whenever a client is made.
    pub password_file: PathBuf,
}

/// Which tokens are accepted.
#[derive(Clone, Debug)]
pub struct JwtSettings {
    /// The keys of the issuer, read again when the file changes.
    pub jwks_file: PathBuf,
    /// The `iss` that a token must have.
    pub issuer: String,
    /// The `aud` that a token must name.
    pub audience: String,
}

// === impl ShopSettings ===

impl ShopSettings {
    /// Reads them; mistakes are collected in `env`.
    pub fn from_env(env: &mut Env) -> Self {
        let mesh = MeshSettings::from_env(env);
        mesh.require_policies(env);
        let database = DatabaseSettings {
            url: env.required("DATABASE_URL"),
            password_file: Some(env.required("DATABASE_PASSWORD_FILE").into()),
            application: mesh.id.service_account().to_owned(),
        };
        let kafka = KafkaSettings {
            brokers: env.required("KAFKA_BROKERS"),
            username: env.required("KAFKA_USERNAME"),
            password_file: env.required("KAFKA_PASSWORD_FILE").into(),
        };
        let jwt = JwtSettings {
            jwks_file: env.required("JWT_JWKS_FILE").into(),
            issuer: env.parsed("JWT_ISSUER", ISSUER_DEFAULT.to_owned()),
            audience: env.parsed("JWT_AUDIENCE", AUDIENCE_DEFAULT.to_owned()),
        };
        if database
            .url
            .split_once('@')
            .is_some_and(|(user, _)| user.matches(':').count() > 1)
        {
            env.mistake(
                "DATABASE_URL",
                "must not have a password; use DATABASE_PASSWORD_FILE",
            );
        }
        Self {
            mesh,
            database,
            kafka,
            jwt,
        }
    }

    /// The service's name: its account in the mesh, its producer name, its consumer group.
    pub fn service(&self) -> &str {
        self.mesh.id.service_account()
    }

    /// What `mesh_telemetry::init` is told.
    pub fn telemetry(&self) -> mesh_telemetry::Settings {
        mesh_telemetry::Settings {
            service: self.service().to_owned(),
            filter: self.mesh.log_filter.clone(),
            otlp_endpoint: self.mesh.otlp_endpoint.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
