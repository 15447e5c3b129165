//! Pages of the catalogue while it changes.

use shop_chassis::Caller;

use super::shop::{Shop, merchant, new_product};
use crate::domain::{Product, ProductId};
use crate::store::PageQuery;

async fn page(shop: &Shop, category: Option<&str>, after: Option<ProductId>) -> Vec<Product> {
    let query = PageQuery {
        category: category.map(str::to_owned),
        after,
        limit: 3,
    };
    shop.store.page(query).await.unwrap()
}

async fn create_in(shop: &Shop, caller: &Caller, sku: &str, category: &str) -> ProductId {
    let mut product = new_product(sku, 1);
    product.details.category = category.into();
    shop.store
        .create(caller, None, product.clone())
        .await
        .unwrap();
    product.id
}

#[tokio::test]
async fn paging_skips_and_repeats_nothing_while_products_are_added() {
    let shop = Shop::open().await;
    let mut added = Vec::new();
    for n in 0..7 {
        added.push(shop.product(&format!("OLD-{n}"), 1).await.id);
    }
    let mut seen = Vec::new();
    let mut after = None;
    for n in 0.. {
        let products = page(&shop, None, after).await;
        let Some(last) = products.last() else { break };
        after = Some(last.id);
        seen.extend(products.iter().map(|product| product.id));
        if n < 3 {
            added.push(shop.product(&format!("NEW-{n}"), 1).await.id);
        }
    }
    assert_eq!(seen, added);
}

#[tokio::test]
async fn paging_goes_on_where_it_was_when_its_last_product_is_deleted() {
    let shop = Shop::open().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(shop.product(&format!("TEA-{n}"), 1).await.id);
    }
    let first = page(&shop, None, None).await;
    assert_eq!(first.last().unwrap().id, ids[2]);
    shop.delete(ids[2]).await.unwrap();
    let rest = page(&shop, None, Some(ids[2])).await;
    assert_eq!(
        rest.iter().map(|product| product.id).collect::<Vec<_>>(),
        ids[3..]
    );
}

#[tokio::test]
async fn listing_holds_one_category_without_what_was_deleted() {
    let shop = Shop::open().await;
    let caller = merchant();
    let pot = create_in(&shop, &caller, "A", "kitchen").await;
    create_in(&shop, &caller, "B", "garden").await;
    let gone = create_in(&shop, &caller, "C", "kitchen").await;
    let pan = create_in(&shop, &caller, "D", "kitchen").await;
    shop.delete(gone).await.unwrap();
    let listed = page(&shop, Some("kitchen"), None).await;
    assert_eq!(
        listed.iter().map(|product| product.id).collect::<Vec<_>>(),
        [pot, pan]
    );
    assert!(page(&shop, Some("nothing"), None).await.is_empty());
}
