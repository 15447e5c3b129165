//! Every (role, RPC) cell. The database and the neighbours of these tests do not exist: whoever is
//! refused for its role is refused before they are asked, and whoever is not gets to a request
//! that is wrong by itself.

use std::time::Duration;

use shop_chassis::config::DatabaseSettings;
use shop_chassis::page::PageTokens;
use shop_chassis::{Database, EndUser, Role};
use shop_proto::order::v1::ListOrdersRequest;
use shop_proto::order::v1::order_internal_service_server::OrderInternalService;
use shop_proto::order::v1::order_service_server::OrderService;
use tonic::{Code, Request};

use crate::api::{OrderApi, OrderInternalApi};
use crate::product_client::ProductClient;
use crate::store::Store;
use crate::tests::neighbours::Neighbours;

const ROLES: [Option<Role>; 5] = [
    None,
    Some(Role::Customer),
    Some(Role::Support),
    Some(Role::Merchant),
    Some(Role::Admin),
];

fn store() -> Store {
    Store::new(Database::new(DatabaseSettings {
        url: "postgres://nobody@127.0.0.1:1/nothing".into(),
        password_file: None,
        application: "order".into(),
    }))
}

fn as_role<T: Default>(role: Option<Role>) -> Request<T> {
    let mut request = Request::new(T::default());
    if let Some(role) = role {
        request.extensions_mut().insert(EndUser {
            subject: "somebody".into(),
            roles: vec![role],
            scopes: Vec::new(),
        });
    }
    request
}

/// Calls `$method` with an empty request as each role.
macro_rules! codes {
    ($api:expr, $method:ident) => {{
        let mut codes = Vec::new();
        for role in ROLES {
            codes.push($api.$method(as_role(role)).await.unwrap_err().code());
        }
        codes
    }};
}

#[tokio::test]
async fn customers_order_and_customers_support_and_admins_read_and_cancel() {
    use Code::{InvalidArgument, NotFound, PermissionDenied, Unauthenticated};
    let neighbours = Neighbours::start(vec![]).await;
    let products = ProductClient::new(neighbours.channel("product"));
    let tokens = PageTokens::new(b"test");
    let api = OrderApi::new(store(), products, tokens, Duration::from_secs(30));
    let ordered = [
        Unauthenticated,
        InvalidArgument,
        PermissionDenied,
        PermissionDenied,
        PermissionDenied,
    ];
    assert_eq!(codes!(api, create_order), ordered);
    let read = |allowed| [Unauthenticated, allowed, allowed, PermissionDenied, allowed];
    assert_eq!(codes!(api, get_order), read(NotFound));
    assert_eq!(codes!(api, cancel_order), read(NotFound));
    assert_eq!(codes!(api, list_transitions), read(NotFound));
    for (role, expected) in ROLES.into_iter().zip(read(InvalidArgument)) {
        let mut request = as_role::<ListOrdersRequest>(role);
        request.get_mut().page_size = -1;
        let status = api.list_orders(request).await.unwrap_err();
        assert_eq!(status.code(), expected, "{role:?}");
    }
    assert_eq!(neighbours.calls(), [""; 0]);
}

#[tokio::test]
async fn internal_methods_are_asked_by_services_whatever_the_user() {
    let api = OrderInternalApi::new(store());
    assert_eq!(codes!(api, get_contact), [Code::NotFound; 5]);
    assert_eq!(codes!(api, get_payment_method), [Code::NotFound; 5]);
}
