//! From domain values to messages.

use pbjson_types::Timestamp;
use shop_chassis::Money;
use shop_proto::product::v1;

use crate::domain::{Product, Stock};

pub(crate) fn wire_money(money: Money) -> shop_proto::Money {
    shop_proto::Money {
        currency_code: money.currency().code().to_owned(),
        units: money.units(),
        nanos: money.nanos(),
    }
}

impl From<&Product> for v1::Product {
    fn from(product: &Product) -> Self {
        let details = product.details.clone();
        Self {
            id: product.id.to_string(),
            sku: details.sku,
            name: details.name,
            description: details.description,
            category: details.category,
            price: Some(wire_money(details.price)),
            stock: Some(v1::Stock::from(&product.stock)),
            etag: product.etag(),
            create_time: Some(Timestamp::from(product.create_time)),
            update_time: Some(Timestamp::from(product.update_time)),
            delete_time: product.delete_time.map(Timestamp::from),
        }
    }
}

impl From<&Stock> for v1::Stock {
    fn from(stock: &Stock) -> Self {
        Self {
            on_hand: stock.on_hand,
            reserved: stock.reserved,
            available: stock.available(),
        }
    }
}
