//! Why the product service refuses or fails, and what its callers are told.

use shop_chassis::{Failure, Kind};

use crate::domain::{AdjustRefused, BadLines, IllegalMove, OrderId, ProductId, StockChange};

/// Errors of the product service.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database, the broker or the mesh.
    #[error("chassis failed")]
    Chassis(#[from] shop_chassis::Error),
    /// No such product, or it was deleted.
    #[error("product was not found")]
    ProductNotFound,
    /// Another product has this article number, be it deleted.
    #[error("a product with sku \"{sku}\" exists")]
    SkuTaken {
        /// The article number.
        sku: String,
    },
    /// The product is no longer the version that the caller read.
    #[error("product has changed since it was read")]
    EtagMismatch,
    /// A merchant asked for more than the stock can bear.
    #[error(transparent)]
    AdjustRefused(#[from] AdjustRefused),
    /// A reservation was asked for what its state does not allow.
    #[error(transparent)]
    IllegalMove(#[from] IllegalMove),
    /// Nothing was ever reserved for this order.
    #[error("order \"{0}\" has no reservation")]
    NotReserved(OrderId),
    /// The guard of the stock refused a change that was decided while the row was held.
    #[error("stock of product \"{product_id}\" does not allow {change:?}")]
    StockDoesNotAllow {
        /// The product.
        product_id: ProductId,
        /// What was to be done to it.
        change: StockChange,
    },
    /// A row holds what this version does not write.
    #[error("column {column} holds \"{value}\"")]
    StoredValue {
        /// The column.
        column: &'static str,
        /// What it holds.
        value: String,
    },
    /// An event names an order or a product by something that is no id.
    #[error("\"{0}\" is not an id")]
    NotAnId(String),
    /// An event tells of an order that cannot be.
    #[error("order \"{order_id}\" is malformed")]
    MalformedOrder {
        /// The order.
        order_id: OrderId,
        /// What is wrong with it.
        source: BadLines,
    },
}

// === impl Error ===

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        Self::Chassis(error.into())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Chassis(error) => error.into(),
            Error::ProductNotFound => Self::new(Kind::NotFound, text),
            Error::SkuTaken { sku } => Self::new(Kind::Exists, text).metadata("sku", sku),
            Error::EtagMismatch => Self::new(Kind::Conflict, text).reason("ETAG_MISMATCH"),
            Error::AdjustRefused(AdjustRefused::OutOfStock { available }) => {
                Self::new(Kind::Precondition, text)
                    .reason("OUT_OF_STOCK")
                    .metadata("available", available.to_string())
            }
            Error::AdjustRefused(AdjustRefused::TooMany { .. }) => Self::invalid("delta", text),
            Error::IllegalMove(IllegalMove { from, to }) => Self::new(Kind::Precondition, text)
                .reason("INVALID_STATE_TRANSITION")
                .metadata("from", from.as_str())
                .metadata("to", to.as_str()),
            Error::NotReserved(_) => {
                Self::new(Kind::Precondition, text).reason("INVALID_STATE_TRANSITION")
            }
            Error::StockDoesNotAllow { .. } | Error::StoredValue { .. } => {
                Self::new(Kind::Internal, text).caused_by(error)
            }
            Error::NotAnId(_) | Error::MalformedOrder { .. } => {
                Self::new(Kind::Invalid, text).caused_by(error)
            }
        }
    }
}

impl From<Error> for tonic::Status {
    fn from(error: Error) -> Self {
        Failure::from(error).into()
    }
}

#[cfg(test)]
mod tests;
