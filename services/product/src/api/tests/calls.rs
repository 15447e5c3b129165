//! Whole calls against a real PostgreSQL, as the server makes them after the token was verified.

use pbjson_types::FieldMask;
use shop_chassis::page::PageTokens;
use shop_chassis::testing::{self, TestDatabase};
use shop_chassis::{EndUser, Role};
use shop_proto::product::v1;
use shop_proto::product::v1::inventory_service_server::InventoryService;
use shop_proto::product::v1::product_service_server::ProductService;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::MIGRATIONS;
use crate::api::{InventoryApi, ProductApi};
use crate::store::Store;

struct Service {
    products: ProductApi,
    inventory: InventoryApi,
    database: TestDatabase,
}

impl Service {
    async fn start() -> Self {
        let database = TestDatabase::create(MIGRATIONS).await;
        let store = Store::new(database.database());
        Self {
            products: ProductApi::new(store.clone(), PageTokens::new(b"test")),
            inventory: InventoryApi::new(store),
            database,
        }
    }

    async fn create(&self, sku: &str) -> v1::Product {
        let created = self.products.create_product(by_merchant(teapot(sku))).await;
        created.unwrap().into_inner()
    }

    async fn update(
        &self,
        product: v1::Product,
        paths: &[&str],
        if_match: Option<&str>,
    ) -> Result<v1::Product, Status> {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let mut request = by_merchant(v1::UpdateProductRequest {
            product_id: product.id.clone(),
            product: Some(product),
            update_mask: Some(FieldMask { paths }),
        });
        if let Some(etag) = if_match {
            let metadata = request.metadata_mut();
            metadata.insert("if-match", etag.parse().unwrap());
        }
        let updated = self.products.update_product(request).await?;
        Ok(updated.into_inner())
    }

    async fn list(
        &self,
        page_size: i32,
        page_token: &str,
    ) -> Result<(Vec<String>, String), Status> {
        let request = Request::new(v1::ListProductsRequest {
            page_size,
            page_token: page_token.into(),
            category: String::new(),
        });
        let page = self.products.list_products(request).await?.into_inner();
        let skus = page.products.into_iter().map(|product| product.sku);
        Ok((skus.collect(), page.next_page_token))
    }
}

fn by_merchant<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(EndUser {
        subject: "m1".into(),
        roles: vec![Role::Merchant],
        scopes: Vec::new(),
    });
    request
}

fn teapot(sku: &str) -> v1::CreateProductRequest {
    v1::CreateProductRequest {
        sku: sku.into(),
        name: "Teapot".into(),
        description: "Holds a litre.".into(),
        category: "kitchen".into(),
        price: Some(shop_proto::Money {
            currency_code: "EUR".into(),
            units: 19,
            nanos: 990_000_000,
        }),
        initial_stock: 5,
        request_id: String::new(),
    }
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().unwrap().reason
}

#[tokio::test]
async fn product_is_created_and_read_by_anyone() {
    let service = Service::start().await;
    let created = service.create("TEA-1").await;
    assert_eq!(created.price, teapot("TEA-1").price);
    let stock = created.stock.unwrap();
    assert_eq!((stock.on_hand, stock.reserved, stock.available), (5, 0, 5));
    assert!(created.delete_time.is_none());
    let request = Request::new(v1::GetProductRequest {
        product_id: created.id.clone(),
    });
    let read = service.products.get_product(request).await.unwrap();
    assert_eq!(read.into_inner(), created);
}

#[tokio::test]
async fn second_product_with_a_sku_exists_already() {
    let service = Service::start().await;
    service.create("TEA-1").await;
    let again = service
        .products
        .create_product(by_merchant(teapot("TEA-1")))
        .await;
    let status = again.unwrap_err();
    assert_eq!(status.code(), Code::AlreadyExists);
    assert!(status.message().contains("TEA-1"), "{status}");
}

#[tokio::test]
async fn repeated_key_is_answered_with_the_first_product() {
    let service = Service::start().await;
    let mut ids = Vec::new();
    for replayed in [false, true] {
        let mut request = by_merchant(teapot("TEA-1"));
        let metadata = request.metadata_mut();
        metadata.insert("idempotency-key", "key-1".parse().unwrap());
        let response = service.products.create_product(request).await.unwrap();
        let header = response.metadata().get("idempotent-replayed");
        assert_eq!(header.is_some(), replayed);
        ids.push(response.into_inner().id);
    }
    assert_eq!(ids[0], ids[1]);
}

#[tokio::test]
async fn etag_of_body_or_header_guards_an_update() {
    let service = Service::start().await;
    let read = service.create("TEA-1").await;
    let renamed = |name: &str, etag: &str| v1::Product {
        name: name.into(),
        etag: etag.into(),
        ..read.clone()
    };
    let quoted = format!("\"{}\"", read.etag);
    let changed = service
        .update(renamed("A", ""), &["name"], Some(&quoted))
        .await
        .unwrap();
    assert_ne!(changed.etag, read.etag);
    for (body, header) in [(read.etag.as_str(), None), ("", Some(quoted.as_str()))] {
        let stale = service
            .update(renamed("B", body), &["name"], header)
            .await
            .unwrap_err();
        assert_eq!(stale.code(), Code::Aborted);
        assert_eq!(reason(&stale), "ETAG_MISMATCH");
    }
    let torn = service
        .update(renamed("B", &changed.etag), &["name"], Some(&quoted))
        .await;
    assert_eq!(torn.unwrap_err().code(), Code::InvalidArgument);
    let any = service
        .update(renamed("B", ""), &["name"], Some("*"))
        .await
        .unwrap();
    assert_eq!(any.name, "B");
}

#[tokio::test]
async fn etag_guards_a_deletion_which_happens_once() {
    let service = Service::start().await;
    let product = service.create("TEA-1").await;
    let delete = |etag: &str| {
        service
            .products
            .delete_product(by_merchant(v1::DeleteProductRequest {
                product_id: product.id.clone(),
                etag: etag.into(),
            }))
    };
    assert_eq!(delete("stale").await.unwrap_err().code(), Code::Aborted);
    let deleted = delete(&product.etag).await.unwrap().into_inner();
    assert!(deleted.delete_time.is_some());
    assert_eq!(delete("").await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn pages_follow_each_other_to_the_end() {
    let service = Service::start().await;
    for n in 0..5 {
        service.create(&format!("TEA-{n}")).await;
    }
    let (first, token) = service.list(2, "").await.unwrap();
    assert_eq!(first, ["TEA-0", "TEA-1"]);
    let (second, token) = service.list(2, &token).await.unwrap();
    assert_eq!(second, ["TEA-2", "TEA-3"]);
    let (third, end) = service.list(2, &token).await.unwrap();
    assert_eq!(third, ["TEA-4"]);
    assert_eq!(end, "");
    let (all, end) = service.list(0, "").await.unwrap();
    assert_eq!((all.len(), end.as_str()), (5, ""));
}

#[tokio::test]
async fn token_of_another_listing_is_refused() {
    let service = Service::start().await;
    for n in 0..3 {
        service.create(&format!("TEA-{n}")).await;
    }
    let (_, token) = service.list(1, "").await.unwrap();
    let of_category = Request::new(v1::ListProductsRequest {
        page_size: 1,
        page_token: token,
        category: "kitchen".into(),
    });
    let foreign = service
        .products
        .list_products(of_category)
        .await
        .unwrap_err();
    assert_eq!(foreign.code(), Code::InvalidArgument);
    let made_up = service.list(1, "bm90aGluZw").await.unwrap_err();
    assert_eq!(made_up.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn batch_answers_in_the_order_asked_for() {
    let service = Service::start().await;
    let first = service.create("TEA-1").await.id;
    let second = service.create("TEA-2").await.id;
    let request = Request::new(v1::BatchGetProductsRequest {
        product_ids: vec![second.clone(), Uuid::now_v7().to_string(), first.clone()],
    });
    let found = service
        .products
        .batch_get_products(request)
        .await
        .unwrap()
        .into_inner();
    let ids: Vec<_> = found
        .products
        .into_iter()
        .map(|product| product.id)
        .collect();
    assert_eq!(ids, [second, first]);
}

#[tokio::test]
async fn adjustment_below_zero_tells_what_is_available() {
    let service = Service::start().await;
    let product = service.create("TEA-1").await;
    let adjust = |delta| {
        service
            .products
            .adjust_stock(by_merchant(v1::AdjustStockRequest {
                product_id: product.id.clone(),
                delta,
                reason: "breakage".into(),
                request_id: String::new(),
            }))
    };
    let refused = adjust(-6).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(reason(&refused), "OUT_OF_STOCK");
    let info = refused.get_details_error_info().unwrap();
    assert_eq!(
        info.metadata.get("available").map(String::as_str),
        Some("5")
    );
    let adjusted = adjust(-5).await.unwrap().into_inner();
    assert_eq!(adjusted.stock.unwrap().available, 0);
    assert_eq!(adjusted.etag, product.etag);
}

#[tokio::test]
async fn reservation_that_was_given_up_cannot_be_confirmed() {
    let service = Service::start().await;
    let order_id = Uuid::now_v7().to_string();
    for _ in 0..2 {
        let release = Request::new(v1::ReleaseReservationRequest {
            order_id: order_id.clone(),
            cause: "DEADLINE_PASSED".into(),
        });
        service
            .inventory
            .release_reservation(release)
            .await
            .unwrap();
    }
    let confirm = Request::new(v1::ConfirmReservationRequest { order_id });
    let refused = service
        .inventory
        .confirm_reservation(confirm)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(reason(&refused), "INVALID_STATE_TRANSITION");
    let published = testing::published(&service.database.database()).await;
    assert!(published.is_empty());
}
