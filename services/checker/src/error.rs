//! What keeps the reconciler from giving a verdict. A violation is no error.

use std::path::PathBuf;

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that is needed is not there or cannot be read.
    #[error("cannot read \"{}\"", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A line of the file of acknowledged orders has another form.
    #[error("line {line} of the acknowledged orders is not \"<order id> [STATUS]\": \"{text}\"")]
    Acknowledged {
        /// Which line, from 1.
        line: usize,
        /// The line.
        text: String,
    },
    /// A database does not answer, or not as its migrations say.
    #[error("database \"{database}\" cannot be read")]
    Database {
        /// Which.
        database: &'static str,
        /// Why.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The payment provider's ledger cannot be had.
    #[error("the provider's ledger at {url} cannot be read")]
    Provider {
        /// Where it should be.
        url: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
