//! Who may list what, page by page.
#![allow(clippy::unwrap_used)]

use chrono::Utc;
use shop_chassis::testing::{self, TestDatabase};
use shop_chassis::{Database, Tx};
use tonic::Code;

use super::*;
use crate::domain::{Content, EventId, NotificationId};

const SECRET: &[u8] = b"a secret of thirty-two bytes ...";

async fn api(db: &Database) -> NotificationApi {
    NotificationApi::new(Store::new(db.clone()), PageTokens::new(SECRET))
}

async fn queue(db: &Database, order: u128, customer: &'static str) {
    let notification = Notification::queue(
        NotificationId(Uuid::now_v7()),
        EventId(Uuid::now_v7()),
        OrderId(Uuid::from_u128(order)),
        Content::PaymentFailed,
        "subject".to_owned(),
        Utc::now(),
    );
    db.transaction(async move |tx: &mut Tx| {
        Store::know_customer(tx, notification.order_id, customer).await?;
        Store::queue(tx, &testing::background("notification"), &notification).await
    })
    .await
    .unwrap();
}

async fn list(
    api: &NotificationApi,
    user: Option<(&str, &[Role])>,
    request: proto::ListNotificationsRequest,
) -> Result<proto::ListNotificationsResponse, Status> {
    let mut request = Request::new(request);
    if let Some((subject, roles)) = user {
        let (subject, roles) = (subject.to_owned(), roles.to_vec());
        request.extensions_mut().insert(EndUser {
            subject,
            roles,
            scopes: Vec::new(),
        });
    }
    api.list_notifications(request)
        .await
        .map(Response::into_inner)
}

fn everything() -> proto::ListNotificationsRequest {
    proto::ListNotificationsRequest::default()
}

#[tokio::test]
async fn each_role_sees_what_it_may() {
    let test = TestDatabase::create(crate::MIGRATIONS).await;
    let db = test.database();
    queue(&db, 1, "c1").await;
    queue(&db, 2, "c2").await;
    let api = api(&db).await;
    for (subject, roles, expected) in [
        ("c1", &[Role::Customer][..], 1),
        ("c3", &[Role::Customer], 0),
        ("s1", &[Role::Support], 2),
        ("a1", &[Role::Admin], 2),
        ("c1", &[Role::Customer, Role::Support], 2),
    ] {
        let page = list(&api, Some((subject, roles)), everything())
            .await
            .unwrap();
        assert_eq!(page.notifications.len(), expected, "{subject} {roles:?}");
    }
}

#[tokio::test]
async fn nobody_and_merchants_are_refused() {
    let test = TestDatabase::create(crate::MIGRATIONS).await;
    let api = api(&test.database()).await;
    let refused = list(&api, None, everything()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let merchant = Some(("m1", &[Role::Merchant][..]));
    let refused = list(&api, merchant, everything()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn an_order_of_somebody_else_looks_like_one_that_does_not_exist() {
    let test = TestDatabase::create(crate::MIGRATIONS).await;
    let db = test.database();
    queue(&db, 1, "c1").await;
    let api = api(&db).await;
    let ask = async |order: u128| {
        let order_id = Uuid::from_u128(order).to_string();
        let request = proto::ListNotificationsRequest {
            order_id,
            ..everything()
        };
        list(&api, Some(("c2", &[Role::Customer])), request)
            .await
            .unwrap()
    };
    assert_eq!(ask(1).await, ask(9).await);
}

#[tokio::test]
async fn a_malformed_order_id_is_named() {
    let test = TestDatabase::create(crate::MIGRATIONS).await;
    let api = api(&test.database()).await;
    for order_id in ["x", "1", "\0", "' or 1=1"] {
        let request = proto::ListNotificationsRequest {
            order_id: order_id.to_owned(),
            ..everything()
        };
        let refused = list(&api, Some(("c1", &[Role::Customer])), request)
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{order_id:?}");
    }
}

#[tokio::test]
async fn pages_are_bound_to_who_asks_and_for_what() {
    let test = TestDatabase::create(crate::MIGRATIONS).await;
    let db = test.database();
    for order in 1..=3 {
        queue(&db, order, "c1").await;
    }
    let api = api(&db).await;
    let c1 = Some(("c1", &[Role::Customer][..]));
    let first = proto::ListNotificationsRequest {
        page_size: 2,
        ..everything()
    };
    let page = list(&api, c1, first.clone()).await.unwrap();
    assert_eq!(page.notifications.len(), 2);
    let next = proto::ListNotificationsRequest {
        page_token: page.next_page_token,
        ..first
    };
    let last = list(&api, c1, next.clone()).await.unwrap();
    assert_eq!(
        (last.notifications.len(), last.next_page_token.as_str()),
        (1, "")
    );

    let c2 = Some(("c2", &[Role::Customer][..]));
    assert_eq!(
        list(&api, c2, next.clone()).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    let order_id = Uuid::from_u128(1).to_string();
    let other = proto::ListNotificationsRequest { order_id, ..next };
    assert_eq!(
        list(&api, c1, other).await.unwrap_err().code(),
        Code::InvalidArgument
    );
}
