//! What the database itself refuses, whoever writes into it.

use diesel_async::RunQueryDsl;
use shop_chassis::Tx;
use shop_chassis::db::violated_constraint;

use super::shop::Shop;
use crate::error::Error;

/// The constraint that refuses `sql`, or the message of a trigger.
async fn refusal(shop: &Shop, sql: &'static str) -> String {
    let work = async move |tx: &mut Tx| -> Result<String, Error> {
        let error = diesel::sql_query(sql).execute(tx.conn()).await.unwrap_err();
        let constraint = violated_constraint(&error).map(str::to_owned);
        Ok(constraint.unwrap_or_else(|| error.to_string()))
    };
    shop.database.transaction(work).await.unwrap()
}

#[tokio::test]
async fn stock_is_never_negative_nor_promised_twice() {
    let shop = Shop::open().await;
    shop.product("TEA-1", 5).await;
    let statements = [
        "update stock set on_hand = -1",
        "update stock set reserved = 6",
        "update stock set reserved = -1",
        "update stock set on_hand = -1, reserved = -2",
    ];
    for sql in statements {
        assert_eq!(
            refusal(&shop, sql).await,
            "stock_reserved_within_on_hand",
            "{sql}"
        );
    }
}

#[tokio::test]
async fn ledger_is_append_only() {
    let shop = Shop::open().await;
    shop.product("TEA-1", 5).await;
    for sql in [
        "update stock_ledger set on_hand_delta = 1",
        "delete from stock_ledger",
    ] {
        assert_eq!(
            refusal(&shop, sql).await,
            "stock_ledger is append-only",
            "{sql}"
        );
    }
}

#[tokio::test]
async fn values_that_no_version_writes_are_refused() {
    let shop = Shop::open().await;
    let product = shop.product("TEA-1", 5).await.id;
    shop.order(&[(product, 1)]).await;
    let statements = [
        (
            "update product set price_minor = -1",
            "product_price_not_negative",
        ),
        (
            "update product set currency = 'eur'",
            "product_currency_form",
        ),
        ("update product set version = 0", "product_version_positive"),
        (
            "update reservation set state = 'LOST'",
            "reservation_state_known",
        ),
        (
            "update reservation set expire_time = null",
            "reservation_hold_expires",
        ),
        (
            "update reservation_line set quantity = 0",
            "reservation_line_quantity_positive",
        ),
    ];
    for (sql, constraint) in statements {
        assert_eq!(refusal(&shop, sql).await, constraint, "{sql}");
    }
}
