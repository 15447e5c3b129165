//! I3: every order comes to its end, and stays there.

use crate::Error;
use crate::report::Finding;
use crate::sources::Databases;

/// Every order is PAID or CANCELLED; asked once faults are over and the shop had its time.
pub(super) async fn every_order_is_settled(databases: &Databases) -> Result<Finding, Error> {
    let sql = "select 'order ' || id || ' is ' || status || ' since ' || update_time from orders \
        where status not in ('PAID', 'CANCELLED') order by id";
    finding(databases, "every order is settled", sql).await
}

/// An order's history is without a gap, ends with its status, and CANCELLED is its last word.
pub(super) async fn cancelled_never_leaves(databases: &Databases) -> Result<Finding, Error> {
    let sql = "select 'order ' || o.id || ' is ' || o.status || ', its history says ' \
            || coalesce(string_agg(t.to_status, ' > ' order by t.version), 'nothing') \
        from orders o left join order_transition t on t.order_id = o.id \
        group by o.id \
        having coalesce(bool_or(t.from_status = 'CANCELLED'), false) \
            or count(t.version) <> o.version or coalesce(max(t.version), 0) <> o.version \
            or coalesce((array_agg(t.to_status order by t.version desc))[1], '') <> o.status \
        order by o.id";
    finding(
        databases,
        "histories end with the status, CANCELLED is final",
        sql,
    )
    .await
}

async fn finding(databases: &Databases, rule: &'static str, sql: &str) -> Result<Finding, Error> {
    let orders = databases.order.count("select count(*) from orders").await?;
    let violations = databases.order.column(sql).await?;
    Ok(Finding::new("I3", rule, orders, violations))
}
