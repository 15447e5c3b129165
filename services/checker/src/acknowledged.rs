//! What a client was told: the orders that were answered with success, and the last status shown.

use std::path::Path;

use uuid::Uuid;

use crate::Error;

/// One order that a client saw answered 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// Its id, in the form that PostgreSQL prints.
    pub order: String,
    /// A status that a client was shown, if any.
    pub status: Option<String>,
}

/// Reads `<order id> [STATUS]` per line; empty lines are skipped.
pub fn read(path: &Path) -> Result<Vec<Acknowledged>, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })?;
    parse(&text)
}

/// Reads the lines of such a file.
pub fn parse(text: &str) -> Result<Vec<Acknowledged>, Error> {
    let lines = text.lines().enumerate();
    let filled = lines.filter(|(_, line)| !line.trim().is_empty());
    filled.map(|(index, line)| one(index + 1, line)).collect()
}

fn one(number: usize, line: &str) -> Result<Acknowledged, Error> {
    let mut words = line.split_whitespace();
    let order = words.next().and_then(|word| Uuid::parse_str(word).ok());
    let status = words.next().map(str::to_owned);
    match (order, words.next()) {
        (Some(order), None) => Ok(Acknowledged {
            order: order.to_string(),
            status,
        }),
        _ => Err(Error::Acknowledged {
            line: number,
            text: line.to_owned(),
        }),
    }
}
