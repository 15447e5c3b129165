//! Where the reconciler reads: four databases, each in one read-only snapshot, and the provider.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use tokio_postgres::types::{FromSqlOwned, ToSql};
use tokio_postgres::{Client, NoTls, Row};

use crate::Error;

/// Longer than any of its queries needs on a laptop; a reader must not hold a snapshot for ever.
const STATEMENT_TIMEOUT_SECONDS: u64 = 60;
/// A database or provider that does not answer at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const POSTGRES_PORT: u16 = 5432;
const PROVIDER_PORT: u16 = 8090;

/// An instance of Tradewind on this machine.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its number: its addresses are `127.77.<number>.0/24`.
    pub instance: u8,
    /// Its folder with secrets.
    pub run: PathBuf,
}

/// One database, named for its service.
pub struct Database {
    name: &'static str,
    client: Client,
}

/// The four databases.
pub struct Databases {
    /// Catalogue, stock, reservations.
    pub product: Database,
    /// Orders and their history.
    pub order: Database,
    /// Payments, refunds, the book.
    pub payment: Database,
    /// Mails.
    pub notification: Database,
}

/// The provider's own view.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Ledger {
    /// Everything it ever authorised.
    pub authorizations: Vec<Authorization>,
}

/// Money that the provider authorised, and what became of it.
#[derive(Clone, Debug, Deserialize)]
pub struct Authorization {
    /// Its name at the provider.
    pub id: String,
    /// The payment that it was asked for.
    pub reference: String,
    /// Authorised.
    pub amount_minor: i64,
    /// Of all its amounts.
    pub currency: String,
    /// Taken.
    pub captured_minor: i64,
    /// Given back.
    pub refunded_minor: i64,
    /// Whether the hold was given up.
    pub voided: bool,
}

// === impl Databases ===

impl Databases {
    /// Opens all four, each as the service's own role, in a read-only snapshot of now.
    pub async fn open(place: &Place) -> Result<Self, Error> {
        Ok(Self {
            product: Database::open(place, "product").await?,
            order: Database::open(place, "order").await?,
            payment: Database::open(place, "payment").await?,
            notification: Database::open(place, "notification").await?,
        })
    }

    /// All of them, for what is the same in each.
    pub fn all(&self) -> [&Database; 4] {
        [
            &self.product,
            &self.order,
            &self.payment,
            &self.notification,
        ]
    }
}

// === impl Database ===

impl Database {
    /// Reads through a connection that is open already, in whatever transaction it is.
    pub fn with(name: &'static str, client: Client) -> Self {
        Self { name, client }
    }

    /// The service that owns it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The connection.
    pub fn client(&self) -> &Client {
        &self.client
    }

    async fn open(place: &Place, name: &'static str) -> Result<Self, Error> {
        let password = secret(&place.run, &format!("postgres.{name}"))?;
        let failed = |source| Error::Database {
            database: name,
            source,
        };
        let (client, connection) = tokio_postgres::Config::new()
            .host(format!("127.77.{}.4", place.instance))
            .port(POSTGRES_PORT)
            .dbname(name)
            .user(name)
            .password(password)
            .application_name("checker")
            .connect_timeout(CONNECT_TIMEOUT)
            .connect(NoTls)
            .await
            .map_err(failed)?;
        // It ends with the client; an error reaches the caller through its query.
        tokio::spawn(connection);
        let begin = format!(
            "set statement_timeout = '{STATEMENT_TIMEOUT_SECONDS}s'; \
             begin transaction isolation level repeatable read read only"
        );
        client.batch_execute(&begin).await.map_err(failed)?;
        Ok(Self { name, client })
    }

    /// All rows of a query.
    pub(crate) async fn rows(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        self.client
            .query(sql, values)
            .await
            .map_err(|source| Error::Database {
                database: self.name,
                source,
            })
    }

    /// What a query that counts says.
    pub(crate) async fn count(&self, sql: &str) -> Result<usize, Error> {
        let counts: Vec<i64> = self.column(sql).await?;
        Ok(counts
            .iter()
            .map(|count| usize::try_from(*count).unwrap_or_default())
            .sum())
    }

    /// The first column of all rows.
    pub(crate) async fn column<T: FromSqlOwned>(&self, sql: &str) -> Result<Vec<T>, Error> {
        let rows = self.rows(sql, &[]).await?;
        rows.iter()
            .map(|row| row.try_get(0))
            .collect::<Result<_, _>>()
            .map_err(|source| Error::Database {
                database: self.name,
                source,
            })
    }
}

// === impl Ledger ===

impl Ledger {
    /// Asks the provider.
    pub async fn fetch(place: &Place) -> Result<Self, Error> {
        let url = format!(
            "http://127.77.{}.7:{PROVIDER_PORT}/v1/ledger",
            place.instance
        );
        let secret = secret(&place.run, "psp")?;
        let answer = tokio::time::timeout(CONNECT_TIMEOUT, get(&url, &secret)).await;
        let failed = |source| Error::Provider {
            url: url.clone(),
            source,
        };
        let body = answer
            .map_err(|late| failed(late.into()))?
            .map_err(failed)?;
        serde_json::from_slice(&body).map_err(|source| Error::Provider {
            url,
            source: source.into(),
        })
    }
}

async fn get(url: &str, secret: &str) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
    let request = Request::get(url)
        .header("authorization", format!("Bearer {secret}"))
        .body(Empty::<Bytes>::new())?;
    let client = HttpClient::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await?;
    if !response.status().is_success() {
        return Err(format!("it answers {}", response.status()).into());
    }
    Ok(response.into_body().collect().await?.to_bytes())
}

fn secret(run: &Path, name: &str) -> Result<String, Error> {
    let path = run.join("secrets").join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(source) => Err(Error::File { path, source }),
    }
}
