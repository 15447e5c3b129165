//! Races, duplicates, delays and expiry: what must never sell a unit twice or lose one.

use shop_chassis::testing::{self, Delivered};
use shop_chassis::{Failure, Kind};
use shop_proto::order::v1::order::Status;

use super::shop::{Shop, new_order, order_created, order_moved};
use crate::domain::ReservationState::{Committed, Confirmed, Held, Rejected, Released};
use crate::now;

const BUYERS: usize = 50;

#[tokio::test]
async fn of_fifty_orders_for_ten_units_exactly_ten_win() {
    let shop = Shop::open().await;
    let product = shop.product("TEA-1", 10).await;
    let orders: Vec<_> = (0..BUYERS).map(|_| new_order()).collect();
    let events: Vec<_> = orders
        .iter()
        .map(|id| order_created(*id, &[(product.id, 1)]))
        .collect();
    let deliveries = events.iter().map(|event| shop.deliver(event));
    for delivered in futures::future::join_all(deliveries).await {
        assert_eq!(delivered.unwrap(), Delivered::Applied);
    }
    let mut held = 0;
    for order_id in orders {
        match shop.state(order_id).await.unwrap() {
            Held => held += 1,
            state => assert_eq!(state, Rejected),
        }
    }
    assert_eq!(held, 10);
    assert_eq!(shop.stock(product.id).await, (10, 10));
    shop.check_books().await;
}

#[tokio::test]
async fn orders_that_share_products_in_any_order_do_not_block_each_other() {
    let shop = Shop::open().await;
    let first = shop.product("TEA-1", 100).await.id;
    let second = shop.product("TEA-2", 100).await.id;
    let orders = (0..20).map(|n| match n % 2 {
        0 => order_created(new_order(), &[(first, 1), (second, 1)]),
        _ => order_created(new_order(), &[(second, 1), (first, 1)]),
    });
    let orders: Vec<_> = orders.collect();
    let deliveries = orders.iter().map(|event| shop.deliver(event));
    for delivered in futures::future::join_all(deliveries).await {
        assert_eq!(delivered.unwrap(), Delivered::Applied);
    }
    assert_eq!(shop.stock(first).await, (100, 20));
    assert_eq!(shop.stock(second).await, (100, 20));
    shop.check_books().await;
}

#[tokio::test]
async fn order_is_promised_all_its_lines_or_none() {
    let shop = Shop::open().await;
    let plenty = shop.product("TEA-1", 10).await.id;
    let scarce = shop.product("TEA-2", 1).await.id;
    let order_id = shop.order(&[(plenty, 2), (scarce, 2)]).await;
    assert_eq!(shop.state(order_id).await, Some(Rejected));
    assert_eq!(shop.stock(plenty).await, (10, 0));
    assert_eq!(shop.stock(scarce).await, (1, 0));
    assert_eq!(
        shop.events("reservation", order_id).await,
        ["StockRejectedEvent"]
    );
    assert_eq!(
        shop.events("stock", scarce).await,
        ["ProductStockUpdatedEvent"]
    );
    shop.check_books().await;
}

#[tokio::test]
async fn lines_of_one_product_are_measured_together() {
    let shop = Shop::open().await;
    let product = shop.product("TEA-1", 3).await.id;
    let refused = shop.order(&[(product, 2), (product, 2)]).await;
    let served = shop.order(&[(product, 1), (product, 2)]).await;
    assert_eq!(shop.state(refused).await, Some(Rejected));
    assert_eq!(shop.state(served).await, Some(Held));
    assert_eq!(shop.stock(product).await, (3, 3));
    shop.check_books().await;
}

#[tokio::test]
async fn event_that_comes_twice_has_one_effect() {
    let shop = Shop::open().await;
    let product = shop.product("TEA-1", 10).await.id;
    let order_id = new_order();
    let event = order_created(order_id, &[(product, 4)]);
    assert_eq!(shop.deliver(&event).await.unwrap(), Delivered::Applied);
    assert_eq!(shop.deliver(&event).await.unwrap(), Delivered::Duplicate);
    assert_eq!(shop.stock(product).await, (10, 4));
    assert_eq!(
        shop.events("reservation", order_id).await,
        ["StockReservedEvent"]
    );
    let tasks = testing::tasks(&shop.database).await;
    assert_eq!(tasks.len(), 1);
    shop.check_books().await;
}

#[tokio::test]
async fn order_that_is_told_again_under_another_event_is_served_once() {
    let shop = Shop::open().await;
    let product = shop.product("TEA-1", 10).await.id;
    let order_id = new_order();
    let wish = crate::store::Wish {
        order_id,
        lines: crate::domain::Lines::merge([(product, 4)]).unwrap(),
        expire_time: now(),
    };
    shop.deliver(&order_created(order_id, &[(product, 4)]))
        .await
        .unwrap();
    let again = async move |tx: &mut shop_chassis::Tx| {
        crate::store::reserve(tx, &super::shop::order_service(), wish, now()).await
    };
    shop.database.transaction(again).await.unwrap();
    assert_eq!(shop.stock(product).await, (10, 4));
    assert_eq!(
        shop.events("reservation", order_id).await,
        ["StockReservedEvent"]
    );
    shop.check_books().await;
}

#[tokio::test]
async fn release_before_reserve_leaves_a_tombstone_that_refuses_it() {
    let shop = Shop::open().await;
    let product = shop.product("TEA-1", 10).await.id;
    let order_id = new_order();
    shop.release(order_id).await.unwrap();
    shop.release(order_id).await.unwrap();
    assert_eq!(shop.state(order_id).await, Some(Released));
    shop.deliver(&order_created(order_id, &[(product, 4)]))
        .await
        .unwrap();
    assert_eq!(shop.state(order_id).await, Some(Released));
    assert_eq!(shop.stock(product).await, (10, 0));
    assert!(shop.events("reservation", order_id).await.is_empty());
    assert!(testing::tasks(&shop.database).await.is_empty());
    let refused = Failure::from(shop.confirm(order_id).await.unwrap_err());
    assert_eq!(refused.reason_text(), "INVALID_STATE_TRANSITION");
    shop.check_books().await;
}

#[tokio::test]
async fn release_and_reserve_at_once_leave_nothing_promised() {
    let shop = Shop::open().await;
    let product = shop.product("TEA-1", 100).await.id;
    for _ in 0..10 {
        let order_id = new_order();
        let event = order_created(order_id, &[(product, 4)]);
        let (released, delivered) = tokio::join!(shop.release(order_id), shop.deliver(&event));
        released.unwrap();
        delivered.unwrap();
        assert_eq!(shop.state(order_id).await, Some(Released));
        assert_eq!(shop.stock(product).await, (100, 0));
    }
    shop.check_books().await;
}

#[tokio::test]
async fn paid_order_takes_its_units_out_of_the_warehouse_once() {
    let shop = Shop::open().await;
    let product = shop.product("TEA-1", 10).await.id;
    let order_id = shop.order(&[(product, 4)]).await;
    shop.confirm(order_id).await.unwrap();
    shop.confirm(order_id).await.unwrap();
    assert_eq!(shop.state(order_id).await, Some(Confirmed));
    assert_eq!(shop.stock(product).await, (10, 4));
    shop.pay(order_id).await;
    shop.pay(order_id).await;
    assert_eq!(shop.state(order_id).await, Some(Committed));
    assert_eq!(shop.stock(product).await, (6, 0));
    shop.confirm(order_id).await.unwrap();
    assert_eq!(
        shop.events("reservation", order_id).await,
        ["StockReservedEvent"]
    );
    shop.check_books().await;
}

#[tokio::test]
async fn hold_that_was_never_confirmed_is_committed_by_payment_too() {
    let shop = Shop::open().await;
    let product = shop.product("TEA-1", 10).await.id;
    let order_id = shop.order(&[(product, 4)]).await;
    shop.pay(order_id).await;
    assert_eq!(shop.state(order_id).await, Some(Committed));
    assert_eq!(shop.stock(product).await, (6, 0));
}

#[tokio::test]
async fn commit_after_release_does_nothing() {
    let shop = Shop::open().await;
    let product = shop.product("TEA-1", 10).await.id;
    let order_id = shop.order(&[(product, 4)]).await;
    shop.release(order_id).await.unwrap();
    shop.pay(order_id).await;
    assert_eq!(shop.state(order_id).await, Some(Released));
    assert_eq!(shop.stock(product).await, (10, 0));
    shop.check_books().await;
}

#[tokio::test]
async fn release_gives_back_what_was_promised_once() {
    let shop = Shop::open().await;
    let product = shop.product("TEA-1", 10).await.id;
    let held = shop.order(&[(product, 4)]).await;
    let confirmed = shop.order(&[(product, 3)]).await;
    shop.confirm(confirmed).await.unwrap();
    for order_id in [held, confirmed, held, confirmed] {
        shop.release(order_id).await.unwrap();
    }
    assert_eq!(shop.stock(product).await, (10, 0));
    for order_id in [held, confirmed] {
        let events = shop.events("reservation", order_id).await;
        assert_eq!(events, ["StockReservedEvent", "StockReleasedEvent"]);
    }
    shop.check_books().await;
}

#[tokio::test]
async fn release_of_a_paid_order_brings_its_units_back() {
    let shop = Shop::open().await;
    let product = shop.product("TEA-1", 10).await.id;
    let order_id = shop.order(&[(product, 4)]).await;
    shop.confirm(order_id).await.unwrap();
    shop.pay(order_id).await;
    shop.release(order_id).await.unwrap();
    shop.release(order_id).await.unwrap();
    assert_eq!(shop.state(order_id).await, Some(Released));
    assert_eq!(shop.stock(product).await, (10, 0));
    shop.check_books().await;
}

#[tokio::test]
async fn units_of_a_product_deleted_meanwhile_are_given_back() {
    let shop = Shop::open().await;
    let product = shop.product("TEA-1", 10).await.id;
    let order_id = shop.order(&[(product, 4)]).await;
    shop.delete(product).await.unwrap();
    shop.release(order_id).await.unwrap();
    assert_eq!(shop.stock(product).await, (10, 0));
    shop.check_books().await;
}

#[tokio::test]
async fn only_what_is_held_expires() {
    let shop = Shop::open().await;
    let product = shop.product("TEA-1", 10).await.id;
    let held = shop.order(&[(product, 1)]).await;
    let confirmed = shop.order(&[(product, 2)]).await;
    let committed = shop.order(&[(product, 3)]).await;
    let released = shop.order(&[(product, 4)]).await;
    shop.confirm(confirmed).await.unwrap();
    shop.confirm(committed).await.unwrap();
    shop.pay(committed).await;
    shop.release(released).await.unwrap();
    let expected = [
        (
            held,
            Released,
            ["StockReservedEvent", "StockReleasedEvent"].as_slice(),
        ),
        (confirmed, Confirmed, &["StockReservedEvent"]),
        (committed, Committed, &["StockReservedEvent"]),
        (
            released,
            Released,
            &["StockReservedEvent", "StockReleasedEvent"],
        ),
    ];
    for (order_id, state, events) in expected {
        shop.expire(order_id).await;
        assert_eq!(shop.state(order_id).await, Some(state));
        assert_eq!(shop.events("reservation", order_id).await, events);
    }
    assert_eq!(shop.stock(product).await, (7, 2));
    shop.check_books().await;
}

#[tokio::test]
async fn confirmation_after_expiry_is_refused() {
    let shop = Shop::open().await;
    let product = shop.product("TEA-1", 10).await.id;
    let order_id = shop.order(&[(product, 4)]).await;
    shop.expire(order_id).await;
    let refused = Failure::from(shop.confirm(order_id).await.unwrap_err());
    assert_eq!(refused.kind(), Kind::Precondition);
    assert_eq!(refused.reason_text(), "INVALID_STATE_TRANSITION");
    assert_eq!(shop.stock(product).await, (10, 0));
}

#[tokio::test]
async fn confirmation_of_a_rejected_or_unknown_order_is_refused() {
    let shop = Shop::open().await;
    let product = shop.product("TEA-1", 1).await.id;
    let rejected = shop.order(&[(product, 2)]).await;
    for order_id in [rejected, new_order()] {
        let refused = Failure::from(shop.confirm(order_id).await.unwrap_err());
        assert_eq!(refused.kind(), Kind::Precondition);
        assert_eq!(refused.reason_text(), "INVALID_STATE_TRANSITION");
    }
}

#[tokio::test]
async fn products_that_are_unknown_or_deleted_are_out_of_stock() {
    let shop = Shop::open().await;
    let deleted = shop.product("TEA-1", 10).await.id;
    shop.delete(deleted).await.unwrap();
    let unknown = super::shop::new_product("TEA-2", 1).id;
    for product_id in [deleted, unknown] {
        let order_id = shop.order(&[(product_id, 1)]).await;
        assert_eq!(shop.state(order_id).await, Some(Rejected));
    }
}

#[tokio::test]
async fn moves_of_an_order_other_than_to_paid_change_nothing() {
    let shop = Shop::open().await;
    let product = shop.product("TEA-1", 10).await.id;
    let order_id = shop.order(&[(product, 4)]).await;
    let confirmed = order_moved(order_id, 2, Status::Pending, Status::Confirmed);
    let cancelling = order_moved(order_id, 3, Status::Confirmed, Status::Cancelling);
    for event in [confirmed, cancelling] {
        assert_eq!(shop.deliver(&event).await.unwrap(), Delivered::Ignored);
    }
    assert_eq!(shop.state(order_id).await, Some(Held));
    assert_eq!(shop.stock(product).await, (10, 4));
}

#[tokio::test]
async fn event_that_cannot_be_read_is_poison_and_not_tried_again() {
    let shop = Shop::open().await;
    let mut later = order_created(new_order(), &[]);
    later.version = 2;
    let mut garbled = order_created(new_order(), &[]);
    garbled.data = serde_json::json!({"lines": "none"});
    for event in [later, garbled, order_created(new_order(), &[])] {
        let failure = shop.deliver(&event).await.unwrap_err();
        assert!(!failure.retryable(), "{failure}");
    }
}
