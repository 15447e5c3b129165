//! The calls that this service answers: `ProductService` for everyone, `InventoryService` for the
//! saga of the order service. Each handler parses, asks domain and store, and converts the answer.

mod requests;
mod responses;

use std::collections::HashMap;

use shop_chassis::idempotency::Key;
use shop_chassis::page::PageTokens;
use shop_chassis::{Caller, Failure, Role};
use shop_proto::product::v1;
use shop_proto::product::v1::inventory_service_server::InventoryService;
use shop_proto::product::v1::product_service_server::ProductService;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::domain::{Adjustment, NewProduct, Patch, Product, ProductId};
use crate::now;
use crate::store::{PageQuery, Store};
use requests::{Release, order_id, product_id, product_ids};
pub(crate) use responses::wire_money;

/// Who keeps the catalogue and the stock. Reading is open to anyone.
const KEEPERS: &[Role] = &[Role::Merchant, Role::Admin];

const CREATE_PRODUCT: &str = "shop.product.v1.ProductService/CreateProduct";
const ADJUST_STOCK: &str = "shop.product.v1.ProductService/AdjustStock";

/// Answers `ProductService`.
pub(crate) struct ProductApi {
    store: Store,
    page_tokens: PageTokens,
}

/// Answers `InventoryService`. Its callers are services; the policies name them.
pub(crate) struct InventoryApi {
    store: Store,
}

// === impl ProductApi ===

impl ProductApi {
    pub(crate) fn new(store: Store, page_tokens: PageTokens) -> Self {
        Self { store, page_tokens }
    }
}

#[tonic::async_trait]
impl ProductService for ProductApi {
    async fn create_product(
        &self,
        request: Request<v1::CreateProductRequest>,
    ) -> Result<Response<v1::Product>, Status> {
        let (caller, request) = Caller::split(request)?;
        caller.require(KEEPERS)?;
        let key = Key::optional(&caller, &request.request_id);
        let (new, key) = Failure::both(NewProduct::try_from(&request), key)?;
        let claim = key.map(|key| key.claim(CREATE_PRODUCT, &new));
        let product = Product::create(ProductId(Uuid::now_v7()), new, now());
        let answer = self.store.create(&caller, claim, product).await?;
        Ok(answer.into())
    }

    async fn get_product(
        &self,
        request: Request<v1::GetProductRequest>,
    ) -> Result<Response<v1::Product>, Status> {
        let (_caller, request) = Caller::split(request)?;
        let product = self.store.find(product_id(&request.product_id)?).await?;
        Ok(Response::new(v1::Product::from(&product)))
    }

    async fn batch_get_products(
        &self,
        request: Request<v1::BatchGetProductsRequest>,
    ) -> Result<Response<v1::BatchGetProductsResponse>, Status> {
        let (_caller, request) = Caller::split(request)?;
        let ids = product_ids(&request)?;
        let found = self.store.find_all(ids.clone()).await?;
        let found: HashMap<_, _> = found.iter().map(|product| (product.id, product)).collect();
        let asked_order = ids.iter().filter_map(|id| found.get(id).copied());
        let products = asked_order.map(v1::Product::from).collect();
        Ok(Response::new(v1::BatchGetProductsResponse { products }))
    }

    async fn list_products(
        &self,
        request: Request<v1::ListProductsRequest>,
    ) -> Result<Response<v1::ListProductsResponse>, Status> {
        let (_caller, request) = Caller::split(request)?;
        let page = self.page_tokens.parse::<Uuid>(
            request.page_size,
            &request.page_token,
            &("ListProducts", &request.category),
        );
        let (category, page) = Failure::both(requests::category_filter(&request), page)?;
        let query = PageQuery {
            category,
            after: page.after.map(ProductId),
            limit: page.limit(),
        };
        let rows = self.store.page(query).await?;
        let (products, next_page_token) = self.page_tokens.cut(&page, rows, |row| row.id.0);
        Ok(Response::new(v1::ListProductsResponse {
            products: products.iter().map(v1::Product::from).collect(),
            next_page_token,
        }))
    }

    async fn update_product(
        &self,
        request: Request<v1::UpdateProductRequest>,
    ) -> Result<Response<v1::Product>, Status> {
        let (caller, request) = Caller::split(request)?;
        caller.require(KEEPERS)?;
        let etag = caller.if_match(requests::etag(&request));
        let (patch, etag) = Failure::both(Patch::try_from(&request), etag)?;
        let id = product_id(&request.product_id)?;
        let product = self.store.update(&caller, id, etag, patch, now()).await?;
        Ok(Response::new(v1::Product::from(&product)))
    }

    async fn delete_product(
        &self,
        request: Request<v1::DeleteProductRequest>,
    ) -> Result<Response<v1::Product>, Status> {
        let (caller, request) = Caller::split(request)?;
        caller.require(KEEPERS)?;
        let etag = caller.if_match(&request.etag)?;
        let id = product_id(&request.product_id)?;
        let product = self.store.delete(&caller, id, etag, now()).await?;
        Ok(Response::new(v1::Product::from(&product)))
    }

    async fn adjust_stock(
        &self,
        request: Request<v1::AdjustStockRequest>,
    ) -> Result<Response<v1::Product>, Status> {
        let (caller, request) = Caller::split(request)?;
        caller.require(KEEPERS)?;
        let key = Key::optional(&caller, &request.request_id);
        let (adjustment, key) = Failure::both(Adjustment::try_from(&request), key)?;
        let claim = key.map(|key| key.claim(ADJUST_STOCK, &adjustment));
        let answer = self
            .store
            .adjust_stock(&caller, claim, adjustment, now())
            .await?;
        Ok(answer.into())
    }
}

// === impl InventoryApi ===

impl InventoryApi {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }
}

#[tonic::async_trait]
impl InventoryService for InventoryApi {
    async fn confirm_reservation(
        &self,
        request: Request<v1::ConfirmReservationRequest>,
    ) -> Result<Response<v1::ConfirmReservationResponse>, Status> {
        let (caller, request) = Caller::split(request)?;
        let order_id = order_id(&request.order_id)?;
        self.store.confirm(&caller, order_id, now()).await?;
        Ok(Response::new(v1::ConfirmReservationResponse {}))
    }

    async fn release_reservation(
        &self,
        request: Request<v1::ReleaseReservationRequest>,
    ) -> Result<Response<v1::ReleaseReservationResponse>, Status> {
        let (caller, request) = Caller::split(request)?;
        let Release { order_id, cause } = Release::try_from(&request)?;
        self.store.release(&caller, order_id, cause, now()).await?;
        Ok(Response::new(v1::ReleaseReservationResponse {}))
    }
}

#[cfg(test)]
mod tests;
