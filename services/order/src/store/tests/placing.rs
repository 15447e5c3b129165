use chrono::{DateTime, TimeDelta, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Text, Timestamptz};
use diesel_async::RunQueryDsl;
use shop_chassis::tasks::TaskState;
use shop_chassis::{Failure, Kind, Tx};
use uuid::Uuid;

use super::desk::Desk;
use crate::domain::{CustomerId, OrderId, Scope};
use crate::error::Error;
use crate::saga::{State, Status};
use crate::tests::shop::{EMAIL, TOKEN, time};

#[derive(QueryableByName)]
struct RunAt {
    #[diesel(sql_type = Timestamptz)]
    run_at: DateTime<Utc>,
}

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> Kind {
    Failure::from(result.unwrap_err()).kind()
}

#[tokio::test]
async fn an_order_is_read_as_it_was_placed() {
    let desk = Desk::open().await;
    let id = desk.place().await;
    let order = desk.order(id).await;
    assert_eq!(order.state, State::PLACED);
    assert_eq!(order.customer, CustomerId("c1".to_owned()));
    assert_eq!(order.lines.len(), 1);
    assert_eq!(order.total.to_string(), "39.98 EUR");
    assert_eq!((order.create_time, order.update_time), (time(), time()));
    desk.check(id).await;
}

#[tokio::test]
async fn a_new_order_has_one_history_row_one_event_and_its_deadline() {
    let desk = Desk::open().await;
    let id = desk.place().await;
    assert_eq!(desk.path(id).await, [Status::Pending]);
    let history = desk.history(id).await;
    assert_eq!(history[0].actor, "user:c1");
    let events = desk.events(id).await;
    assert_eq!(events[0].event_type, "OrderCreatedEvent");
    assert_eq!(events[0].actor.subject.as_deref(), Some("c1"));
    assert_eq!(events[0].data["customerId"], "c1");
    let deadline = ("order_deadline".to_owned(), TaskState::Ready);
    assert_eq!(desk.tasks(id).await, [deadline]);

    let subject = id.to_string();
    let rows = desk.database.read(async move |tx: &mut Tx| {
        let rows: Vec<RunAt> = diesel::sql_query("select run_at from task where subject_id = $1")
            .bind::<Text, _>(subject)
            .load(tx.conn())
            .await?;
        Ok::<_, Error>(rows)
    });
    assert_eq!(
        rows.await.unwrap()[0].run_at,
        time() + TimeDelta::seconds(30)
    );
}

#[tokio::test]
async fn address_and_means_of_payment_are_kept_apart_from_the_order() {
    let desk = Desk::open().await;
    let id = desk.place().await;
    let contact = desk.store.contact(id).await.unwrap();
    assert_eq!(contact.email, EMAIL);
    assert_eq!(contact.customer.0, "c1");
    assert_eq!(desk.store.payment_token(id).await.unwrap(), TOKEN);
}

#[tokio::test]
async fn what_does_not_exist_or_is_not_theirs_is_not_found() {
    let desk = Desk::open().await;
    let id = desk.place().await;
    let absent = OrderId(Uuid::now_v7());
    let other = || Scope::Own(CustomerId("c2".to_owned()));
    assert_eq!(kind(desk.store.find(other(), id).await), Kind::NotFound);
    assert_eq!(kind(desk.store.history(other(), id).await), Kind::NotFound);
    assert_eq!(
        kind(desk.store.find(Scope::Any, absent).await),
        Kind::NotFound
    );
    assert_eq!(
        kind(desk.store.history(Scope::Any, absent).await),
        Kind::NotFound
    );
    assert_eq!(kind(desk.store.contact(absent).await), Kind::NotFound);
    assert_eq!(kind(desk.store.payment_token(absent).await), Kind::NotFound);
    desk.check(id).await;
}

#[tokio::test]
async fn history_cannot_be_rewritten() {
    let desk = Desk::open().await;
    desk.place().await;
    for sql in [
        "delete from order_transition",
        "update order_transition set actor = 'me'",
    ] {
        let rewrite = desk.database.transaction(async move |tx: &mut Tx| {
            diesel::sql_query(sql).execute(tx.conn()).await?;
            Ok::<_, Error>(())
        });
        assert!(rewrite.await.is_err(), "{sql}");
    }
}

#[tokio::test]
async fn a_state_that_cannot_be_is_refused_by_the_table() {
    let desk = Desk::open().await;
    desk.place().await;
    for sql in [
        "update orders set status = 'SHIPPED'",
        "update orders set status = 'PAID'",
        "update orders set stock_held = null",
        "update orders set reason = 'OUT_OF_STOCK'",
        "update orders set total_minor = -1",
        "update order_line set quantity = 1000",
        "update order_line set amount_minor = 1",
    ] {
        let change = desk.database.transaction(async move |tx: &mut Tx| {
            diesel::sql_query(sql).execute(tx.conn()).await?;
            Ok::<_, Error>(())
        });
        assert!(change.await.is_err(), "{sql}");
    }
}
