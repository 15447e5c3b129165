//! One violation of each kind, planted in a transaction that is rolled back.

use shop_checker::acknowledged::{Acknowledged, parse};
use shop_checker::reconcile;
use shop_checker::report::Report;
use shop_checker::sources::{Authorization, Database};

use crate::shop::{CANCELLED, PAID, PRODUCT, Shop};

/// Guards that a real violation would have got past: triggers, constraints of the tables.
const UNGUARDED: &str = "set local session_replication_role = replica;";

#[tokio::test]
async fn a_shop_in_order_has_no_violation() {
    let shop = Shop::open().await;
    let told = told(&format!("{PAID} PAID\n{CANCELLED} CANCELLED\n"));
    let report = reconcile(&shop.databases, &shop.ledger, &told)
        .await
        .unwrap();
    assert!(report.holds(), "{report}");
    assert!(
        report.findings.iter().all(|finding| finding.checked > 0),
        "{report}"
    );
    shop.remove().await;
}

#[tokio::test]
async fn each_planted_violation_in_a_database_is_found_and_nothing_else() {
    let shop = Shop::open().await;
    let databases = &shop.databases;
    let plants: [(&Database, &str, &str, &str); 12] = [
        (
            &databases.payment,
            "I1",
            "debits equal credits",
            "update ledger_entry set \
            amount_minor = -499 where account = 'SALES' and payment_id = '$paid'",
        ),
        (
            &databases.order,
            "I1",
            "paid orders are paid in full",
            "update orders set total_minor = 501 where id = '$paid'",
        ),
        (
            &databases.product,
            "I2",
            "on hand and reserved are the sums of their ledger",
            "update stock set on_hand = 8 where product_id = '$product'",
        ),
        (
            &databases.product,
            "I2",
            "reserved and sold units have a reservation",
            "insert into reservation (order_id, state, version, actor, expire_time) \
                values ('$product', 'HELD', 1, 'test', now()); \
             insert into reservation_line values ('$product', '$product', 1)",
        ),
        (
            &databases.order,
            "I2",
            "paid orders have their units, cancelled ones none",
            "update order_line set quantity = 2, amount_minor = 1000 where order_id = '$paid'",
        ),
        (
            &databases.order,
            "I3",
            "every order is settled",
            "insert into orders (id, customer_id, status, stock_held, payment_held, total_minor, \
                currency, version, create_time, update_time) values ('$product', 'c2', 'PENDING', \
                true, false, 1, 'USD', 1, now(), now()); \
             insert into order_transition values ('$product', 1, null, 'PENDING', null, 'test', \
                gen_random_uuid(), '', now())",
        ),
        (
            &databases.order,
            "I3",
            "histories end with the status, CANCELLED is final",
            "update orders set version = 7 where id = '$cancelled'; \
             insert into order_transition values \
                ('$cancelled', 6, 'CANCELLED', 'PAID', null, 't', gen_random_uuid(), '', now()), \
                ('$cancelled', 7, 'PAID', 'CANCELLED', null, 't', gen_random_uuid(), '', now())",
        ),
        (
            &databases.order,
            "I5",
            "every event is published",
            "update outbox set published_at = null, topic = 'product-events' \
                where aggregate_id = '$paid' and aggregate_version = 2",
        ),
        (
            &databases.payment,
            "I5",
            "every event had its effect once at each consumer",
            "delete from inbox where aggregate_id = '$paid' and aggregate_version = 1",
        ),
        (
            &databases.product,
            "I5",
            "every event had its effect once at each consumer",
            "insert into parked_event (consumer_group, topic, key, record, headers, cause, error) \
                values ('ecommerce-group.product', 'order-events', 'k', '', '{}', 'POISON', 'e')",
        ),
        (
            &databases.notification,
            "I6",
            "effects follow the versions of their aggregate",
            "update inbox_version set last_version = 9 where aggregate_id = '$paid' \
                and aggregate_type = 'order'",
        ),
        (
            &databases.order,
            "I9",
            "no false success: answers and shown statuses are true",
            "update idempotency set scope = 'user:c2' where key = 'key-a'",
        ),
    ];
    for (database, invariant, rule, sql) in plants {
        let sql = sql
            .replace("$paid", PAID)
            .replace("$cancelled", CANCELLED)
            .replace("$product", PRODUCT);
        let client = database.client();
        let begin = format!("begin; {UNGUARDED} {sql}");
        client.batch_execute(&begin).await.unwrap();
        let report = reconcile(databases, &shop.ledger, &[]).await.unwrap();
        client.batch_execute("rollback").await.unwrap();
        assert_eq!(broken(&report), [(invariant, rule, 1)], "{sql}\n{report}");
    }
    shop.remove().await;
}

#[tokio::test]
async fn each_planted_violation_at_the_provider_is_found_and_nothing_else() {
    let shop = Shop::open().await;
    let second = Authorization {
        id: "au_c".to_owned(),
        refunded_minor: 500,
        ..shop.ledger.authorizations[0].clone()
    };
    let held = Authorization {
        captured_minor: 0,
        refunded_minor: 0,
        reference: CANCELLED.to_owned(),
        ..second.clone()
    };
    let mut less = shop.ledger.clone();
    less.authorizations[0].captured_minor = 499;
    let mut unknown = shop.ledger.clone();
    unknown.authorizations[0].reference = "somebody".to_owned();
    let mut twice = shop.ledger.clone();
    twice.authorizations.push(second);
    let mut forgotten = shop.ledger.clone();
    forgotten.authorizations.push(held);
    let agree = "provider, book and payments have the same money";
    let once = "one capture per order, none kept for a cancelled one";
    for (ledger, expected) in [
        (less, ("I1", agree, 1)),
        // One violation for the money that is missing, one for the money that is too much.
        (unknown, ("I1", agree, 2)),
        (twice, ("I4", once, 1)),
        (forgotten, ("I4", once, 1)),
    ] {
        let report = reconcile(&shop.databases, &ledger, &[]).await.unwrap();
        assert_eq!(broken(&report), [expected], "{report}");
    }
    shop.remove().await;
}

#[tokio::test]
async fn what_clients_were_told_in_vain_is_found() {
    let shop = Shop::open().await;
    let lost = told(&format!("{PRODUCT} PAID\n"));
    let report = reconcile(&shop.databases, &shop.ledger, &lost)
        .await
        .unwrap();
    assert_eq!(
        broken(&report),
        [("I8", "acknowledged orders exist", 1)],
        "{report}"
    );
    let never = told(&format!("{PAID} CANCELLED\n"));
    let report = reconcile(&shop.databases, &shop.ledger, &never)
        .await
        .unwrap();
    let rule = "no false success: answers and shown statuses are true";
    assert_eq!(broken(&report), [("I9", rule, 1)], "{report}");
    shop.remove().await;
}

#[test]
fn a_line_that_is_no_acknowledgement_is_refused() {
    for text in [
        "x",
        "0190a000-0000-7000-8000-00000000000a PAID twice",
        "PAID",
    ] {
        let error = parse(&format!("\n{text}\n")).unwrap_err().to_string();
        assert!(error.starts_with("line 2 "), "{error}");
    }
}

fn told(text: &str) -> Vec<Acknowledged> {
    parse(text).unwrap()
}

/// Invariant, rule and number of violations of every check that found some.
fn broken(report: &Report) -> Vec<(&'static str, &'static str, usize)> {
    let found = report
        .findings
        .iter()
        .filter(|finding| !finding.violations.is_empty());
    found
        .map(|finding| (finding.invariant, finding.rule, finding.violations.len()))
        .collect()
}
