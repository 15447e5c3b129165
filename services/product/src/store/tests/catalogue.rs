//! Products: versions, etags, SKUs, deletion, keys.

use shop_chassis::idempotency::Key;
use shop_chassis::{Failure, Kind};

use super::shop::{Shop, details, merchant, new_product};
use crate::domain::{NewProduct, Patch, ProductId};
use crate::error::Error;
use crate::now;

fn rename(name: &str) -> Patch {
    Patch {
        name: Some(name.into()),
        ..Patch::default()
    }
}

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> Kind {
    Failure::from(result.unwrap_err()).kind()
}

#[tokio::test]
async fn product_is_read_as_it_was_created() {
    let shop = Shop::open().await;
    let product = shop.product("TEA-1", 5).await;
    assert_eq!(shop.store.find(product.id).await.unwrap(), product);
    assert_eq!(
        shop.events("product", product.id).await,
        ["ProductCreatedEvent"]
    );
    assert_eq!(
        shop.events("stock", product.id).await,
        ["ProductStockUpdatedEvent"]
    );
    shop.check_books().await;
}

#[tokio::test]
async fn product_without_stock_has_its_initial_event_too() {
    let shop = Shop::open().await;
    let product = shop.product("TEA-1", 0).await;
    assert_eq!(
        shop.events("stock", product.id).await,
        ["ProductStockUpdatedEvent"]
    );
    shop.check_books().await;
}

#[tokio::test]
async fn sku_is_taken_also_by_a_deleted_product() {
    let shop = Shop::open().await;
    let first = shop.product("TEA-1", 5).await;
    let second = shop.product("TEA-2", 5).await;
    shop.delete(first.id).await.unwrap();
    let again = shop
        .store
        .create(&merchant(), None, new_product("TEA-1", 1))
        .await;
    let Err(Error::SkuTaken { sku }) = again else {
        panic!("created")
    };
    assert_eq!(sku, "TEA-1");
    let patch = Patch {
        sku: Some("TEA-1".into()),
        ..Patch::default()
    };
    let moved = shop.update(second.id, None, patch).await;
    assert_eq!(kind(moved), Kind::Exists);
    assert_eq!(shop.store.find(second.id).await.unwrap(), second);
    shop.check_books().await;
}

#[tokio::test]
async fn update_makes_one_event_and_a_new_etag() {
    let shop = Shop::open().await;
    let old = shop.product("TEA-1", 5).await;
    let etag = old.etag();
    let new = shop
        .update(old.id, Some(&etag), rename("Kettle"))
        .await
        .unwrap();
    assert_eq!(new.details.name, "Kettle");
    assert_ne!(new.etag(), etag);
    assert_eq!(shop.store.find(old.id).await.unwrap(), new);
    let events = shop.events("product", old.id).await;
    assert_eq!(events, ["ProductCreatedEvent", "ProductUpdatedEvent"]);
    shop.check_books().await;
}

#[tokio::test]
async fn update_that_changes_nothing_keeps_the_etag_and_tells_nobody() {
    let shop = Shop::open().await;
    let product = shop.product("TEA-1", 5).await;
    let same = [rename("Teapot"), Patch::default()];
    for patch in same {
        let after = shop.update(product.id, None, patch).await.unwrap();
        assert_eq!(after, product);
    }
    assert_eq!(
        shop.events("product", product.id).await,
        ["ProductCreatedEvent"]
    );
}

#[tokio::test]
async fn stale_etag_changes_nothing() {
    let shop = Shop::open().await;
    let product = shop.product("TEA-1", 5).await;
    let stale = product.etag();
    let current = shop
        .update(product.id, None, rename("Kettle"))
        .await
        .unwrap();
    let again = rename("Pan");
    let update = shop.update(product.id, Some(&stale), again).await;
    let delete = shop
        .store
        .delete(&merchant(), product.id, Some(&stale), now())
        .await;
    for refused in [update, delete] {
        let failure = Failure::from(refused.unwrap_err());
        assert_eq!(failure.kind(), Kind::Conflict);
        assert_eq!(failure.reason_text(), "ETAG_MISMATCH");
    }
    assert_eq!(shop.store.find(product.id).await.unwrap(), current);
    // Also when nothing would change: the caller has seen another product.
    let same = rename("Kettle");
    let update = shop.update(product.id, Some(&stale), same).await;
    assert_eq!(kind(update), Kind::Conflict);
}

#[tokio::test]
async fn of_two_updates_of_one_version_one_wins() {
    let shop = Shop::open().await;
    let product = shop.product("TEA-1", 5).await;
    let etag = product.etag();
    let (left, right) = tokio::join!(
        shop.update(product.id, Some(&etag), rename("Left")),
        shop.update(product.id, Some(&etag), rename("Right")),
    );
    assert_eq!(usize::from(left.is_ok()) + usize::from(right.is_ok()), 1);
    let events = shop.events("product", product.id).await;
    assert_eq!(events, ["ProductCreatedEvent", "ProductUpdatedEvent"]);
    shop.check_books().await;
}

#[tokio::test]
async fn stock_leaves_the_etag_alone() {
    let shop = Shop::open().await;
    let product = shop.product("TEA-1", 5).await;
    shop.adjust(product.id, 3).await.unwrap();
    shop.order(&[(product.id, 1)]).await;
    let after = shop.store.find(product.id).await.unwrap();
    assert_eq!((after.stock.on_hand, after.stock.reserved), (8, 1));
    assert_eq!(after.etag(), product.etag());
}

#[tokio::test]
async fn deleted_product_is_gone_for_every_call() {
    let shop = Shop::open().await;
    let product = shop.product("TEA-1", 5).await;
    let id = product.id;
    let deleted = shop.delete(id).await.unwrap();
    assert!(deleted.delete_time.is_some());
    assert_eq!(kind(shop.store.find(id).await), Kind::NotFound);
    assert_eq!(kind(shop.delete(id).await), Kind::NotFound);
    let update = shop.update(id, None, rename("Kettle")).await;
    assert_eq!(kind(update), Kind::NotFound);
    assert_eq!(kind(shop.adjust(id, 1).await), Kind::NotFound);
    assert!(shop.store.find_all(vec![id]).await.unwrap().is_empty());
    let events = shop.events("product", id).await;
    assert_eq!(events, ["ProductCreatedEvent", "ProductDeletedEvent"]);
    shop.check_books().await;
}

#[tokio::test]
async fn unknown_product_is_not_found() {
    let shop = Shop::open().await;
    let id = new_product("TEA-1", 1).id;
    assert_eq!(kind(shop.store.find(id).await), Kind::NotFound);
    assert_eq!(kind(shop.adjust(id, 1).await), Kind::NotFound);
    assert_eq!(kind(shop.delete(id).await), Kind::NotFound);
}

#[tokio::test]
async fn batch_leaves_out_what_is_not_there() {
    let shop = Shop::open().await;
    let first = shop.product("TEA-1", 5).await;
    let second = shop.product("TEA-2", 5).await;
    let unknown = new_product("TEA-3", 1).id;
    let ids = vec![second.id, unknown, first.id];
    let mut found: Vec<ProductId> = shop
        .store
        .find_all(ids)
        .await
        .unwrap()
        .iter()
        .map(|product| product.id)
        .collect();
    found.sort();
    assert_eq!(found, [first.id, second.id]);
}

#[tokio::test]
async fn same_key_creates_one_product() {
    const METHOD: &str = "shop.product.v1.ProductService/CreateProduct";
    let shop = Shop::open().await;
    let new = NewProduct {
        details: details("TEA-1"),
        initial_stock: 5,
    };
    let claim = || {
        Key::optional(&merchant(), "key-1")
            .unwrap()
            .map(|key| key.claim(METHOD, &new))
    };
    let caller = merchant();
    let create = || {
        let product = new_product("TEA-1", 5);
        shop.store.create(&caller, claim(), product)
    };
    let first = create().await.unwrap();
    let second = create().await.unwrap();
    assert!(!first.replayed);
    assert!(second.replayed);
    assert_eq!(first.message, second.message);
    let events = shop.events("product", &first.message.id).await;
    assert_eq!(events, ["ProductCreatedEvent"]);
    let other = NewProduct {
        initial_stock: 6,
        ..new.clone()
    };
    let claim = Key::optional(&merchant(), "key-1")
        .unwrap()
        .map(|key| key.claim(METHOD, &other));
    let reused = shop
        .store
        .create(&merchant(), claim, new_product("TEA-2", 6))
        .await;
    let failure = Failure::from(reused.unwrap_err());
    assert_eq!(failure.reason_text(), "IDEMPOTENCY_KEY_REUSED");
}
