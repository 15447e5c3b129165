//! Every (role, RPC) cell. The database of these tests does not exist: whoever is refused for its
//! role is refused before it is asked, and whoever is not gets to a request that is wrong by
//! itself.

use shop_chassis::config::DatabaseSettings;
use shop_chassis::page::PageTokens;
use shop_chassis::{Database, EndUser, Role};
use shop_proto::product::v1;
use shop_proto::product::v1::inventory_service_server::InventoryService;
use shop_proto::product::v1::product_service_server::ProductService;
use tonic::{Code, Request};

use crate::api::{InventoryApi, ProductApi};
use crate::store::Store;

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
        application: "product".into(),
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
async fn only_merchants_and_admins_write() {
    use Code::{InvalidArgument, NotFound, PermissionDenied, Unauthenticated};
    let api = ProductApi::new(store(), PageTokens::new(b"test"));
    let written = |allowed| {
        [
            Unauthenticated,
            PermissionDenied,
            PermissionDenied,
            allowed,
            allowed,
        ]
    };
    assert_eq!(codes!(api, create_product), written(InvalidArgument));
    assert_eq!(codes!(api, update_product), written(InvalidArgument));
    assert_eq!(codes!(api, delete_product), written(NotFound));
    assert_eq!(codes!(api, adjust_stock), written(InvalidArgument));
}

#[tokio::test]
async fn anyone_reads_also_without_a_token() {
    let api = ProductApi::new(store(), PageTokens::new(b"test"));
    assert_eq!(codes!(api, get_product), [Code::NotFound; 5]);
    assert_eq!(codes!(api, batch_get_products), [Code::InvalidArgument; 5]);
    for role in ROLES {
        let mut request = as_role::<v1::ListProductsRequest>(role);
        request.get_mut().page_size = -1;
        let status = api.list_products(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{role:?}");
    }
}

#[tokio::test]
async fn inventory_is_asked_by_services_whatever_the_user() {
    let api = InventoryApi::new(store());
    assert_eq!(codes!(api, confirm_reservation), [Code::InvalidArgument; 5]);
    assert_eq!(codes!(api, release_reservation), [Code::InvalidArgument; 5]);
}
