//! A product of the catalogue: what a merchant says about it, and its versions.

use sha2::{Digest, Sha256};
use shop_chassis::Money;

use super::{ProductId, Stock, Time};

/// Article numbers of every merchant system we know of are shorter.
pub const SKU_CHARS_MAX: usize = 64;
/// A heading on a product page.
pub const NAME_CHARS_MAX: usize = 200;
/// A few screens of text; it travels in every event of the product.
pub const DESCRIPTION_CHARS_MAX: usize = 5_000;
/// One entry of a menu.
pub const CATEGORY_CHARS_MAX: usize = 64;

/// An etag is the start of a digest: long enough that two versions of a product never share one.
const ETAG_BYTES: usize = 12;

/// Something that can be ordered.
#[derive(Clone, Debug, PartialEq)]
pub struct Product {
    pub id: ProductId,
    pub details: Details,
    pub stock: Stock,
    /// Counts the changes of this product, the stock apart: `aggregateVersion` of its events.
    pub version: i64,
    pub create_time: Time,
    pub update_time: Time,
    pub delete_time: Option<Time>,
}

/// What a merchant says about a product.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Details {
    pub sku: String,
    pub name: String,
    pub description: String,
    pub category: String,
    pub price: Money,
}

/// A product that a merchant wants in the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NewProduct {
    pub details: Details,
    pub initial_stock: i32,
}

/// The fields of [`Details`] to change; `None` leaves one as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    pub sku: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
    pub category: Option<String>,
    pub price: Option<Money>,
}

// === impl Product ===

impl Product {
    /// Brings a product into the catalogue.
    pub fn create(id: ProductId, new: NewProduct, now: Time) -> Self {
        Self {
            id,
            details: new.details,
            stock: Stock::initial(new.initial_stock),
            version: 1,
            create_time: now,
            update_time: now,
            delete_time: None,
        }
    }

    /// The product with `patch` applied, or `None` when that changes nothing.
    pub fn update(&self, patch: Patch, now: Time) -> Option<Self> {
        let details = self.details.patched(patch);
        if details == self.details {
            return None;
        }
        Some(Self {
            details,
            version: self.version + 1,
            update_time: now,
            ..self.clone()
        })
    }

    /// The product taken out of the catalogue. Its row stays: open orders refer to it.
    pub fn delete(&self, now: Time) -> Self {
        Self {
            version: self.version + 1,
            update_time: now,
            delete_time: Some(now),
            ..self.clone()
        }
    }

    /// Names this version of this product. A digest, so that nobody reads a counter out of it.
    pub fn etag(&self) -> String {
        let digest = Sha256::new()
            .chain_update(self.id.0.as_bytes())
            .chain_update(self.version.to_be_bytes())
            .finalize();
        digest[..ETAG_BYTES]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Whether this is the version that the caller means; without an etag it means any.
    pub fn is_version(&self, etag: Option<&str>) -> bool {
        etag.is_none_or(|etag| etag == self.etag())
    }
}

// === impl Details ===

impl Details {
    fn patched(&self, patch: Patch) -> Self {
        let current = self.clone();
        Self {
            sku: patch.sku.unwrap_or(current.sku),
            name: patch.name.unwrap_or(current.name),
            description: patch.description.unwrap_or(current.description),
            category: patch.category.unwrap_or(current.category),
            price: patch.price.unwrap_or(current.price),
        }
    }
}
