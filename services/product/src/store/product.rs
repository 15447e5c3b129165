//! Rows of `product`, read together with their stock.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use shop_chassis::db::violated_constraint;
use shop_chassis::{Currency, Money, Tx};
use uuid::Uuid;

use super::PageQuery;
use super::schema::{product, stock};
use super::stock::StockRow;
use crate::domain::{Details, Product, ProductId, Time};
use crate::error::Error;

#[derive(Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = product, treat_none_as_null = true)]
struct ProductRow {
    id: Uuid,
    sku: String,
    name: String,
    description: String,
    category: String,
    price_minor: i64,
    currency: String,
    version: i64,
    create_time: Time,
    update_time: Time,
    delete_time: Option<Time>,
}

/// The product, unless it was deleted.
pub(super) async fn find(tx: &mut Tx, id: ProductId) -> Result<Product, Error> {
    let row = product::table
        .inner_join(stock::table)
        .filter(product::id.eq(id.0))
        .filter(product::delete_time.is_null())
        .select((ProductRow::as_select(), StockRow::as_select()))
        .first::<(ProductRow, StockRow)>(tx.conn())
        .await
        .optional()?;
    match row {
        Some((product, stock)) => product.into_domain(stock),
        None => Err(Error::ProductNotFound),
    }
}

/// Those of `ids` that are in the catalogue, in no particular order.
pub(super) async fn find_all(tx: &mut Tx, ids: &[ProductId]) -> Result<Vec<Product>, Error> {
    let ids = ids.iter().map(|id| id.0);
    let rows = product::table
        .inner_join(stock::table)
        .filter(product::id.eq_any(ids))
        .filter(product::delete_time.is_null())
        .select((ProductRow::as_select(), StockRow::as_select()))
        .load::<(ProductRow, StockRow)>(tx.conn())
        .await?;
    into_domain(rows)
}

/// One page of the catalogue, in the order of ids. They grow with time, so that what is added
/// while somebody pages comes at the end, and nothing is skipped or shown twice.
pub(super) async fn page(tx: &mut Tx, query: &PageQuery) -> Result<Vec<Product>, Error> {
    let mut select = product::table
        .inner_join(stock::table)
        .filter(product::delete_time.is_null())
        .select((ProductRow::as_select(), StockRow::as_select()))
        .order(product::id)
        .limit(query.limit)
        .into_boxed();
    if let Some(after) = query.after {
        select = select.filter(product::id.gt(after.0));
    }
    if let Some(category) = &query.category {
        select = select.filter(product::category.eq(category));
    }
    into_domain(select.load::<(ProductRow, StockRow)>(tx.conn()).await?)
}

/// The product, unless it was deleted, held against other changes until the transaction ends. Its
/// stock is read but not held: reserving goes on.
pub(super) async fn lock(tx: &mut Tx, id: ProductId) -> Result<Product, Error> {
    let row = product::table
        .find(id.0)
        .filter(product::delete_time.is_null())
        .select(ProductRow::as_select())
        .for_no_key_update()
        .first::<ProductRow>(tx.conn())
        .await
        .optional()?
        .ok_or(Error::ProductNotFound)?;
    let stock = stock::table
        .find(id.0)
        .select(StockRow::as_select())
        .first::<StockRow>(tx.conn())
        .await?;
    row.into_domain(stock)
}

/// Writes a new product, without its stock.
pub(super) async fn insert(tx: &mut Tx, product: &Product) -> Result<(), Error> {
    diesel::insert_into(product::table)
        .values(ProductRow::of(product))
        .execute(tx.conn())
        .await
        .map_err(|error| sku_taken(error, product))?;
    Ok(())
}

/// Writes the next version of a product that this transaction holds.
pub(super) async fn save(tx: &mut Tx, product: &Product) -> Result<(), Error> {
    diesel::update(product::table.find(product.id.0))
        .set(ProductRow::of(product))
        .execute(tx.conn())
        .await
        .map_err(|error| sku_taken(error, product))?;
    Ok(())
}

// === impl ProductRow ===

impl ProductRow {
    fn of(product: &Product) -> Self {
        let details = product.details.clone();
        Self {
            id: product.id.0,
            sku: details.sku,
            name: details.name,
            description: details.description,
            category: details.category,
            price_minor: details.price.minor(),
            currency: details.price.currency().code().to_owned(),
            version: product.version,
            create_time: product.create_time,
            update_time: product.update_time,
            delete_time: product.delete_time,
        }
    }

    fn into_domain(self, stock: StockRow) -> Result<Product, Error> {
        let currency = Currency::of(&self.currency).ok_or(Error::StoredValue {
            column: "product.currency",
            value: self.currency,
        })?;
        Ok(Product {
            id: ProductId(self.id),
            details: Details {
                sku: self.sku,
                name: self.name,
                description: self.description,
                category: self.category,
                price: Money::new(self.price_minor, currency),
            },
            stock: stock.into_domain(),
            version: self.version,
            create_time: self.create_time,
            update_time: self.update_time,
            delete_time: self.delete_time,
        })
    }
}

fn into_domain(rows: Vec<(ProductRow, StockRow)>) -> Result<Vec<Product>, Error> {
    rows.into_iter()
        .map(|(product, stock)| product.into_domain(stock))
        .collect()
}

/// Deleted products keep their SKU, so that an article number means one thing for ever.
fn sku_taken(error: diesel::result::Error, product: &Product) -> Error {
    if violated_constraint(&error) == Some("product_sku_key") {
        return Error::SkuTaken {
            sku: product.details.sku.clone(),
        };
    }
    error.into()
}
