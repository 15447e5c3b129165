//! The API on a real database, with a product service in this process.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use shop_chassis::page::PageTokens;
use shop_chassis::testing::{self, TestDatabase};
use shop_chassis::{EndUser, Role};
use shop_proto::order::v1::order_internal_service_server::OrderInternalService;
use shop_proto::order::v1::order_service_server::OrderService;
use shop_proto::order::v1::{self, Order, order};
use shop_proto::product::v1::Product;
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt;

use crate::MIGRATIONS;
use crate::api::{OrderApi, OrderInternalApi, wire_money};
use crate::product_client::ProductClient;
use crate::store::Store;
use crate::tests::neighbours::Neighbours;
use crate::tests::shop::{self, EMAIL, TOKEN, product_id};

/// Requests with one key at once: a client that retries faster than it is answered.
const PARALLEL: usize = 50;

struct Shop {
    database: TestDatabase,
    neighbours: Neighbours,
    api: Arc<OrderApi>,
    internal: OrderInternalApi,
}

impl Shop {
    /// A shop that sells products 1 and 2.
    async fn open() -> Self {
        let database = TestDatabase::create(MIGRATIONS).await;
        let neighbours = Neighbours::start(vec![listed(1), listed(2)]).await;
        let store = Store::new(database.database());
        let products = ProductClient::new(neighbours.channel("product"));
        let tokens = PageTokens::new(b"test");
        let api = OrderApi::new(store.clone(), products, tokens, Duration::from_secs(30));
        Self {
            database,
            neighbours,
            api: Arc::new(api),
            internal: OrderInternalApi::new(store),
        }
    }

    async fn create(
        &self,
        customer: &str,
        key: &str,
        lines: &[(u128, i32)],
    ) -> Result<Response<Order>, Status> {
        self.api.create_order(create(customer, key, lines)).await
    }

    async fn get(&self, user: EndUser, order_id: &str) -> Result<Order, Status> {
        let order_id = order_id.to_owned();
        let request = as_user(user, v1::GetOrderRequest { order_id });
        Ok(self.api.get_order(request).await?.into_inner())
    }

    /// All orders that `user` sees, page by page.
    async fn list(&self, user: &EndUser, customer: &str, page_size: i32) -> Vec<Vec<String>> {
        let mut pages = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = v1::ListOrdersRequest {
                page_size,
                page_token,
                customer_id: customer.to_owned(),
            };
            let response = self.api.list_orders(as_user(user.clone(), request)).await;
            let response = response.unwrap().into_inner();
            pages.push(response.orders.into_iter().map(|order| order.id).collect());
            page_token = response.next_page_token;
            if page_token.is_empty() {
                return pages;
            }
        }
    }
}

fn listed(number: u128) -> Product {
    let product = shop::product(number);
    Product {
        id: product.id.to_string(),
        sku: product.sku,
        name: product.name,
        price: Some(wire_money(product.price)),
        ..Product::default()
    }
}

fn user(subject: &str, role: Role) -> EndUser {
    EndUser {
        subject: subject.to_owned(),
        roles: vec![role],
        scopes: Vec::new(),
    }
}

fn customer(subject: &str) -> EndUser {
    user(subject, Role::Customer)
}

fn as_user<T>(user: EndUser, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(user);
    request
}

fn create(subject: &str, key: &str, lines: &[(u128, i32)]) -> Request<v1::CreateOrderRequest> {
    let lines = lines.iter().map(|(number, quantity)| v1::RequestedLine {
        product_id: product_id(*number).to_string(),
        quantity: *quantity,
    });
    let message = v1::CreateOrderRequest {
        email: EMAIL.to_owned(),
        lines: lines.collect(),
        payment_token: TOKEN.to_owned(),
        request_id: String::new(),
    };
    let mut request = as_user(customer(subject), message);
    let key = key.parse().unwrap();
    request.metadata_mut().insert("idempotency-key", key);
    request
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().unwrap().reason
}

#[tokio::test]
async fn an_order_is_priced_by_the_catalogue_and_reads_as_it_was_answered() {
    let shop = Shop::open().await;
    let created = shop
        .create("c1", "k1", &[(1, 2), (2, 1), (1, 1)])
        .await
        .unwrap();
    assert!(created.metadata().get("idempotent-replayed").is_none());
    let created = created.into_inner();
    assert_eq!(created.status(), order::Status::Pending);
    assert_eq!(created.customer_id, "c1");
    assert_eq!(created.lines.len(), 2);
    assert_eq!(created.lines[0].quantity, 3);
    assert_eq!(created.lines[0].sku, "sku-1");
    let total = created.total.clone().unwrap();
    assert_eq!((total.units, total.nanos), (79, 960_000_000));

    assert_eq!(
        shop.get(customer("c1"), &created.id).await.unwrap(),
        created
    );
    let both = format!("Batch {},{}", product_id(1), product_id(2));
    assert_eq!(shop.neighbours.calls(), [both]);
}

#[tokio::test]
async fn fifty_parallel_requests_with_one_key_are_one_order_and_equal_answers() {
    let shop = Shop::open().await;
    let requests = (0..PARALLEL).map(|_| {
        let api = Arc::clone(&shop.api);
        tokio::spawn(async move { api.create_order(create("c1", "k1", &[(1, 1)])).await })
    });
    let mut fresh = 0;
    let mut answers = Vec::new();
    for request in requests.collect::<Vec<_>>() {
        let response = request.await.unwrap().unwrap();
        fresh += usize::from(response.metadata().get("idempotent-replayed").is_none());
        answers.push(response.into_inner());
    }
    assert_eq!(answers.len(), PARALLEL);
    assert_eq!(fresh, 1);
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(
        shop.list(&customer("c1"), "", 0).await,
        [[answers[0].id.clone()]]
    );
    let published = testing::published(&shop.database.database()).await;
    assert_eq!(published.len(), 1);
}

#[tokio::test]
async fn a_repeated_request_is_answered_without_asking_others() {
    let shop = Shop::open().await;
    let first = shop
        .create("c1", "k1", &[(1, 1)])
        .await
        .unwrap()
        .into_inner();
    shop.neighbours.refuse("Batch", Code::Unavailable);
    let again = shop.create("c1", "k1", &[(1, 1)]).await.unwrap();
    assert_eq!(again.metadata().get("idempotent-replayed").unwrap(), "true");
    assert_eq!(again.into_inner(), first);
    assert_eq!(shop.neighbours.calls().len(), 1);
}

#[tokio::test]
async fn a_key_is_for_one_request_of_one_customer() {
    let shop = Shop::open().await;
    let first = shop
        .create("c1", "k1", &[(1, 1)])
        .await
        .unwrap()
        .into_inner();
    let reused = shop.create("c1", "k1", &[(1, 2)]).await.unwrap_err();
    assert_eq!(reused.code(), Code::InvalidArgument);
    assert_eq!(reason(&reused), "IDEMPOTENCY_KEY_REUSED");

    let other = shop
        .create("c2", "k1", &[(1, 1)])
        .await
        .unwrap()
        .into_inner();
    assert_ne!(other.id, first.id);
}

#[tokio::test]
async fn an_order_needs_a_key() {
    let shop = Shop::open().await;
    let mut request = create("c1", "k1", &[(1, 1)]);
    request.metadata_mut().remove("idempotency-key");
    let status = shop.api.create_order(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let field = &status.get_details_bad_request().unwrap().field_violations[0];
    assert_eq!(field.field, "requestId");
}

#[tokio::test]
async fn a_product_that_is_not_sold_is_named_and_nothing_is_kept_of_the_request() {
    let shop = Shop::open().await;
    let refused = shop
        .create("c1", "k1", &[(1, 1), (9, 1)])
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(reason(&refused), "PRODUCT_UNAVAILABLE");
    let info = refused.get_details_error_info().unwrap();
    assert_eq!(info.metadata["fields"], "lines[1].productId");

    // The key is still free: the same request may succeed once the product is there.
    let corrected = shop.create("c1", "k1", &[(1, 1), (2, 1)]).await;
    assert!(corrected.is_ok());
}

#[tokio::test]
async fn a_product_service_that_does_not_answer_is_never_an_order_nor_the_customers_mistake() {
    let shop = Shop::open().await;
    for (theirs, ours) in [
        (Code::Unavailable, Code::Unavailable),
        (Code::DeadlineExceeded, Code::DeadlineExceeded),
        (Code::InvalidArgument, Code::Internal),
        (Code::NotFound, Code::Internal),
        (Code::PermissionDenied, Code::Internal),
        (Code::Unimplemented, Code::Internal),
    ] {
        shop.neighbours.refuse("Batch", theirs);
        let status = shop.create("c1", "k1", &[(1, 1)]).await.unwrap_err();
        assert_eq!(status.code(), ours, "{theirs:?}");
        let retry = status.get_details_retry_info();
        assert_eq!(retry.is_some(), ours != Code::Internal, "{theirs:?}");
    }
    assert_eq!(shop.list(&customer("c1"), "", 0).await, [[""; 0]]);
}

#[tokio::test]
async fn another_customers_order_looks_exactly_like_one_that_does_not_exist() {
    let shop = Shop::open().await;
    let order = shop
        .create("c1", "k1", &[(1, 1)])
        .await
        .unwrap()
        .into_inner();
    let absent = product_id(404).to_string();
    let look = async |id: &str| {
        let order_id = id.to_owned();
        let get = v1::GetOrderRequest { order_id };
        let order_id = id.to_owned();
        let cancel = v1::CancelOrderRequest { order_id };
        let order_id = id.to_owned();
        let history = v1::ListTransitionsRequest { order_id };
        let c2 = || customer("c2");
        let get = shop.api.get_order(as_user(c2(), get)).await.unwrap_err();
        let cancel = shop
            .api
            .cancel_order(as_user(c2(), cancel))
            .await
            .unwrap_err();
        let history = shop
            .api
            .list_transitions(as_user(c2(), history))
            .await
            .unwrap_err();
        [get, cancel, history].map(|status| {
            assert_eq!(status.code(), Code::NotFound);
            (status.message().to_owned(), status.details().to_vec())
        })
    };
    assert_eq!(look(&order.id).await, look(&absent).await);
    assert_eq!(look("no-id").await, look(&absent).await);
    assert_eq!(shop.get(customer("c1"), &order.id).await.unwrap(), order);
}

#[tokio::test]
async fn support_and_admin_see_any_order() {
    let shop = Shop::open().await;
    let order = shop
        .create("c1", "k1", &[(1, 1)])
        .await
        .unwrap()
        .into_inner();
    for role in [Role::Support, Role::Admin] {
        assert_eq!(shop.get(user("s1", role), &order.id).await.unwrap(), order);
    }
}

#[tokio::test]
async fn pages_go_from_the_newest_to_the_oldest_without_a_gap_or_a_repeat() {
    let shop = Shop::open().await;
    let mut placed = Vec::new();
    for number in 0..7 {
        let key = format!("k{number}");
        let order = shop
            .create("c1", &key, &[(1, 1)])
            .await
            .unwrap()
            .into_inner();
        placed.push(order.id);
        shop.create("c2", &key, &[(1, 1)]).await.unwrap();
    }
    placed.reverse();
    let pages = shop.list(&customer("c1"), "", 3).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1]);
    assert_eq!(pages.concat(), placed);

    let support = user("s1", Role::Support);
    assert_eq!(shop.list(&support, "c1", 5).await.concat(), placed);
    let all: HashSet<String> = shop
        .list(&support, "", 4)
        .await
        .concat()
        .into_iter()
        .collect();
    assert_eq!(all.len(), 14);
}

#[tokio::test]
async fn a_page_token_of_another_listing_is_refused() {
    let shop = Shop::open().await;
    for key in ["k1", "k2"] {
        shop.create("c1", key, &[(1, 1)]).await.unwrap();
    }
    let page = |user: EndUser, page_token: &str, customer_id: &str| {
        let request = v1::ListOrdersRequest {
            page_size: 1,
            page_token: page_token.to_owned(),
            customer_id: customer_id.to_owned(),
        };
        shop.api.list_orders(as_user(user, request))
    };
    let support = || user("s1", Role::Support);
    let token = page(support(), "", "")
        .await
        .unwrap()
        .into_inner()
        .next_page_token;
    assert!(page(support(), &token, "").await.is_ok());
    for (user, token, customer_id) in [
        (support(), token.as_str(), "c1"),
        (customer("c1"), token.as_str(), ""),
        (support(), "garbage", ""),
    ] {
        let status = page(user, token, customer_id).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
    }
}

#[tokio::test]
async fn the_customer_cancels_and_the_history_tells_who() {
    let shop = Shop::open().await;
    let order = shop
        .create("c1", "k1", &[(1, 1)])
        .await
        .unwrap()
        .into_inner();
    let order_id = order.id.clone();
    let request = as_user(customer("c1"), v1::CancelOrderRequest { order_id });
    let cancelled = shop.api.cancel_order(request).await.unwrap().into_inner();
    assert_eq!(cancelled.status(), order::Status::Cancelling);
    assert_eq!(cancelled.reason(), order::Reason::CancelRequested);
    assert!(!cancelled.cancel_requested);

    let order_id = order.id.clone();
    let request = as_user(
        user("s1", Role::Support),
        v1::ListTransitionsRequest { order_id },
    );
    let history = shop
        .api
        .list_transitions(request)
        .await
        .unwrap()
        .into_inner()
        .transitions;
    let moves: Vec<_> = history
        .iter()
        .map(|t| (t.from, t.to(), t.actor.as_str()))
        .collect();
    assert_eq!(
        moves,
        [
            (None, order::Status::Pending, "user:c1"),
            (
                Some(order::Status::Pending.into()),
                order::Status::Cancelling,
                "user:c1"
            ),
        ]
    );
    let published = testing::published(&shop.database.database()).await;
    let events: Vec<_> = published
        .iter()
        .map(|event| event.event_id.to_string())
        .collect();
    assert_eq!(
        history
            .iter()
            .map(|t| t.event_id.clone())
            .collect::<Vec<_>>(),
        events
    );
}

#[tokio::test]
async fn other_services_learn_the_address_and_the_means_of_payment() {
    let shop = Shop::open().await;
    let order = shop
        .create("c1", "k1", &[(1, 1)])
        .await
        .unwrap()
        .into_inner();
    let order_id = order.id.clone();
    let request = Request::new(v1::GetContactRequest { order_id });
    let contact = shop
        .internal
        .get_contact(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (contact.email.as_str(), contact.customer_id.as_str()),
        (EMAIL, "c1")
    );

    let order_id = order.id.clone();
    let request = Request::new(v1::GetPaymentMethodRequest { order_id });
    let method = shop
        .internal
        .get_payment_method(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(method.payment_token, TOKEN);

    let order_id = product_id(404).to_string();
    let request = Request::new(v1::GetContactRequest { order_id });
    let absent = shop.internal.get_contact(request).await.unwrap_err();
    assert_eq!(absent.code(), Code::NotFound);
}

#[tokio::test]
async fn no_event_carries_the_address_or_the_means_of_payment() {
    let shop = Shop::open().await;
    let order = shop
        .create("c1", "k1", &[(1, 1)])
        .await
        .unwrap()
        .into_inner();
    let request = as_user(
        customer("c1"),
        v1::CancelOrderRequest { order_id: order.id },
    );
    shop.api.cancel_order(request).await.unwrap();
    for event in testing::published(&shop.database.database()).await {
        let text = serde_json::to_string(&event).unwrap();
        assert!(!text.contains(EMAIL) && !text.contains(TOKEN), "{text}");
    }
}
