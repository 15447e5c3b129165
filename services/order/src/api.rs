//! The two gRPC services: each handler splits the caller off, parses, asks domain and store, and
//! converts. Nothing unparsed goes further than this file.

mod requests;
mod responses;

use std::time::Duration;

use shop_chassis::idempotency::Key;
use shop_chassis::page::PageTokens;
use shop_chassis::{Caller, Failure, Role};
use shop_proto::order::v1::order_internal_service_server::OrderInternalService;
use shop_proto::order::v1::order_service_server::OrderService;
use shop_proto::order::v1::{self, Order as WireOrder};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::domain::{CustomerId, Order, OrderId, Scope, Wish};
use crate::error::Error;
use crate::now;
use crate::product_client::ProductClient;
use crate::store::{PageQuery, Placement, Store};

use requests::order_id;
pub(crate) use responses::wire_money;

/// Scope of the idempotency keys of this method.
const CREATE_ORDER: &str = "shop.order.v1.OrderService/CreateOrder";
/// Who may read and cancel; a customer only what is its own.
const READERS: &[Role] = &[Role::Customer, Role::Support, Role::Admin];

/// `OrderService`, for customers and support.
pub(crate) struct OrderApi {
    store: Store,
    products: ProductClient,
    tokens: PageTokens,
    /// How long an order may take to be settled.
    order_deadline: Duration,
}

/// `OrderInternalService`, for services that must know what no event may carry.
pub(crate) struct OrderInternalApi {
    store: Store,
}

// === impl OrderApi ===

impl OrderApi {
    pub(crate) fn new(
        store: Store,
        products: ProductClient,
        tokens: PageTokens,
        order_deadline: Duration,
    ) -> Self {
        Self {
            store,
            products,
            tokens,
            order_deadline,
        }
    }
}

#[tonic::async_trait]
impl OrderService for OrderApi {
    async fn create_order(
        &self,
        request: Request<v1::CreateOrderRequest>,
    ) -> Result<Response<WireOrder>, Status> {
        let (caller, request) = Caller::split(request)?;
        let customer = CustomerId(caller.require(&[Role::Customer])?.subject.clone());
        let key = Key::required(&caller, &request.request_id);
        let (wish, key) = Failure::both(Wish::try_from(&request), key)?;
        let claim = key.claim(CREATE_ORDER, &wish);
        if let Some(answer) = self.store.answered(&claim).await? {
            return Ok(answer.into());
        }
        let products = self.products.batch(&wish.products()).await?;
        let id = OrderId(Uuid::now_v7());
        let order = Order::place(id, customer, &wish, &products, now()).map_err(Error::from)?;
        let deadline = order.create_time + self.order_deadline;
        let new = Placement {
            order,
            wish,
            deadline,
        };
        let answer = self.store.place(&caller, new, claim).await?;
        Ok(answer.into())
    }

    async fn get_order(
        &self,
        request: Request<v1::GetOrderRequest>,
    ) -> Result<Response<WireOrder>, Status> {
        let (caller, request) = Caller::split(request)?;
        let scope = Scope::of(caller.require(READERS)?);
        let id = order_id(&request.order_id)?;
        let order = self.store.find(scope, id).await?;
        Ok(Response::new(WireOrder::from(&order)))
    }

    async fn list_orders(
        &self,
        request: Request<v1::ListOrdersRequest>,
    ) -> Result<Response<v1::ListOrdersResponse>, Status> {
        let (caller, request) = Caller::split(request)?;
        let scope = Scope::of(caller.require(READERS)?);
        let bound_to = ("orders", &scope, &request.customer_id);
        let page = self
            .tokens
            .parse::<Uuid>(request.page_size, &request.page_token, &bound_to);
        let (scope, page) = Failure::both(scope.narrowed(&request.customer_id), page)?;
        let query = PageQuery {
            scope,
            after: page.after.map(OrderId),
            limit: page.limit(),
        };
        let orders = self.store.page(query).await?;
        let (orders, next_page_token) = self.tokens.cut(&page, orders, |order| order.id.0);
        Ok(Response::new(v1::ListOrdersResponse {
            orders: orders.iter().map(WireOrder::from).collect(),
            next_page_token,
        }))
    }

    async fn cancel_order(
        &self,
        request: Request<v1::CancelOrderRequest>,
    ) -> Result<Response<WireOrder>, Status> {
        let (caller, request) = Caller::split(request)?;
        let scope = Scope::of(caller.require(READERS)?);
        let id = order_id(&request.order_id)?;
        let order = self.store.cancel(&caller, scope, id, now()).await?;
        Ok(Response::new(WireOrder::from(&order)))
    }

    async fn list_transitions(
        &self,
        request: Request<v1::ListTransitionsRequest>,
    ) -> Result<Response<v1::ListTransitionsResponse>, Status> {
        let (caller, request) = Caller::split(request)?;
        let scope = Scope::of(caller.require(READERS)?);
        let id = order_id(&request.order_id)?;
        let history = self.store.history(scope, id).await?;
        Ok(Response::new(v1::ListTransitionsResponse {
            transitions: history.into_iter().map(Into::into).collect(),
        }))
    }
}

// === impl OrderInternalApi ===

impl OrderInternalApi {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }
}

#[tonic::async_trait]
impl OrderInternalService for OrderInternalApi {
    async fn get_contact(
        &self,
        request: Request<v1::GetContactRequest>,
    ) -> Result<Response<v1::GetContactResponse>, Status> {
        let (_, request) = Caller::split(request)?;
        let contact = self.store.contact(order_id(&request.order_id)?).await?;
        Ok(Response::new(v1::GetContactResponse {
            email: contact.email,
            customer_id: contact.customer.0,
        }))
    }

    async fn get_payment_method(
        &self,
        request: Request<v1::GetPaymentMethodRequest>,
    ) -> Result<Response<v1::GetPaymentMethodResponse>, Status> {
        let (_, request) = Caller::split(request)?;
        let id = order_id(&request.order_id)?;
        let payment_token = self.store.payment_token(id).await?;
        Ok(Response::new(v1::GetPaymentMethodResponse {
            payment_token,
        }))
    }
}

#[cfg(test)]
mod tests;
