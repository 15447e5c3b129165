//! Adjustments, and the ledger of all changes.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use shop_chassis::idempotency::Key;
use shop_chassis::testing;
use shop_chassis::{Failure, Kind, Tx};
use uuid::Uuid;

use super::shop::{Shop, merchant};
use crate::domain::{Adjustment, ProductId};
use crate::error::Error;
use crate::now;
use crate::store::schema::stock_ledger;

type LedgerRow = (String, i32, Option<String>, Option<Uuid>, Uuid, String);

async fn ledger(shop: &Shop, product_id: ProductId) -> Vec<LedgerRow> {
    let work = async move |tx: &mut Tx| -> Result<Vec<LedgerRow>, Error> {
        let rows = stock_ledger::table
            .filter(stock_ledger::product_id.eq(product_id.0))
            .order(stock_ledger::version)
            .select((
                stock_ledger::reason,
                stock_ledger::on_hand_delta,
                stock_ledger::note,
                stock_ledger::order_id,
                stock_ledger::event_id,
                stock_ledger::actor,
            ));
        Ok(rows.load(tx.conn()).await?)
    };
    shop.database.read(work).await.unwrap()
}

#[tokio::test]
async fn adjustment_changes_what_is_on_hand() {
    let shop = Shop::open().await;
    let product = shop.product("TEA-1", 5).await.id;
    shop.adjust(product, 10).await.unwrap();
    shop.adjust(product, -15).await.unwrap();
    assert_eq!(shop.stock(product).await, (0, 0));
    shop.check_books().await;
}

#[tokio::test]
async fn adjustment_never_takes_what_is_promised() {
    let shop = Shop::open().await;
    let product = shop.product("TEA-1", 5).await.id;
    shop.order(&[(product, 3)]).await;
    let refused = Failure::from(shop.adjust(product, -3).await.unwrap_err());
    assert_eq!(refused.kind(), Kind::Precondition);
    assert_eq!(refused.reason_text(), "OUT_OF_STOCK");
    shop.adjust(product, -2).await.unwrap();
    assert_eq!(shop.stock(product).await, (3, 3));
    shop.check_books().await;
}

#[tokio::test]
async fn adjustments_at_once_all_count() {
    let shop = Shop::open().await;
    let product = shop.product("TEA-1", 0).await.id;
    let adjustments = (0..20).map(|_| shop.adjust(product, 1));
    for adjusted in futures::future::join_all(adjustments).await {
        adjusted.unwrap();
    }
    assert_eq!(shop.stock(product).await, (20, 0));
    shop.check_books().await;
}

#[tokio::test]
async fn same_key_adjusts_once() {
    const METHOD: &str = "shop.product.v1.ProductService/AdjustStock";
    let shop = Shop::open().await;
    let product_id = shop.product("TEA-1", 5).await.id;
    let adjustment = Adjustment {
        product_id,
        delta: 3,
        note: "delivery".into(),
    };
    for replayed in [false, true] {
        let claim = Key::optional(&merchant(), "key-1")
            .unwrap()
            .map(|key| key.claim(METHOD, &adjustment));
        let caller = merchant();
        let adjust = shop
            .store
            .adjust_stock(&caller, claim, adjustment.clone(), now());
        let answer = adjust.await.unwrap();
        assert_eq!(answer.replayed, replayed);
        let stock = answer.message.stock.unwrap();
        assert_eq!((stock.on_hand, stock.available), (8, 8));
    }
    assert_eq!(shop.stock(product_id).await, (8, 0));
}

#[tokio::test]
async fn ledger_tells_who_did_what_for_which_order_and_names_the_event() {
    let shop = Shop::open().await;
    let product = shop.product("TEA-1", 5).await.id;
    shop.adjust(product, 3).await.unwrap();
    let order_id = shop.order(&[(product, 2)]).await;
    shop.pay(order_id).await;
    let rows = ledger(&shop, product).await;
    let told: Vec<_> = rows
        .iter()
        .map(|(reason, delta, note, order, ..)| (reason.as_str(), *delta, note.as_deref(), *order))
        .collect();
    let order = Some(order_id.0);
    let expected = [
        ("INITIAL", 5, None, None),
        ("ADJUSTED", 3, Some("stocktaking"), None),
        ("RESERVED", 0, None, order),
        ("COMMITTED", -2, None, order),
    ];
    assert_eq!(told, expected);
    assert_eq!(rows[1].5, "user:m1");
    assert!(rows[2].5.starts_with("spiffe://"), "{}", rows[2].5);
    let published = testing::published(&shop.database).await;
    for (_, _, _, _, event_id, _) in rows {
        let event = published
            .iter()
            .find(|event| event.event_id == event_id)
            .unwrap();
        assert_eq!(event.event_type, "ProductStockUpdatedEvent");
    }
}
