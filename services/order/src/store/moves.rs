//! One move of an order inside a transaction: lock, step the saga, and write what the step says.

use diesel::prelude::{ExpressionMethods, OptionalExtension, QueryDsl, SelectableHelper};
use diesel_async::RunQueryDsl;
use mesh_telemetry::propagation::TraceContext;
use shop_chassis::outbox::OutboxEvent;
use shop_chassis::{Caller, Tx};

use super::rows::{LineRow, MovedRow, OrderRow, TransitionRow};
use super::schema::{order_line, order_transition, orders};
use crate::domain::{Order, OrderId, Scope, Time, Transition};
use crate::error::Error;
use crate::saga::{self, Capture, Effect, Input, Reason, Status, Step};
use crate::{events, tasks};

/// The order with its row locked until the transaction ends. Every move begins with it, so the
/// moves of one order, and its versions, come one after the other. An order out of scope is
/// neither locked nor waited for: that would tell that it exists.
pub(super) async fn lock(tx: &mut Tx, scope: &Scope, id: OrderId) -> Result<Order, Error> {
    let select = orders::table
        .find(id.0)
        .select(OrderRow::as_select())
        .for_no_key_update();
    let row: Option<OrderRow> = match scope {
        Scope::Own(customer) => {
            let own = select.filter(orders::customer_id.eq(&customer.0));
            own.first(tx.conn()).await.optional()?
        }
        Scope::Any => select.first(tx.conn()).await.optional()?,
    };
    with_lines(tx, row.ok_or(Error::NotFound)?).await
}

pub(super) async fn with_lines(tx: &mut Tx, row: OrderRow) -> Result<Order, Error> {
    let lines = order_line::table
        .filter(order_line::order_id.eq(row.id()))
        .order(order_line::position)
        .select(LineRow::as_select())
        .load(tx.conn())
        .await?;
    row.into_domain(lines)
}

/// Whether a worker may already have asked for the money; stays so until the transaction ends.
pub(super) async fn capture_progress(tx: &mut Tx, order: &Order) -> Result<Capture, Error> {
    if order.state.status() != Status::Confirmed {
        return Ok(Capture::Untouched);
    }
    let task = tx.task(tasks::kind(Step::CapturePayment), order.id).await?;
    Ok(match task {
        Some(task) if task.ever_leased => Capture::Started,
        Some(_) | None => Capture::Untouched,
    })
}

/// Moves an order by what has happened to it.
pub(crate) async fn take(
    tx: &mut Tx,
    caller: &Caller,
    id: OrderId,
    input: Input,
    now: Time,
) -> Result<Order, Error> {
    let order = lock(tx, &Scope::Any, id).await?;
    advance(tx, caller, order, input, now).await
}

/// Steps the saga of a locked order, and writes state, history, events and tasks.
pub(super) async fn advance(
    tx: &mut Tx,
    caller: &Caller,
    order: Order,
    input: Input,
    now: Time,
) -> Result<Order, Error> {
    let (state, effects) = saga::step(order.state, input);
    if state == order.state {
        return Ok(order);
    }
    let mut order = Order {
        state,
        update_time: now,
        ..order
    };
    for effect in effects {
        match effect {
            Effect::Moved { from, to, reason } => {
                order.version += 1;
                let event = events::moved(&order, from, to, reason)?;
                record(tx, caller, &order, Some(from), to, reason, event).await?;
            }
            Effect::Start(step) => {
                tx.enqueue(caller, tasks::carry_out(&order, step)?).await?;
            }
            Effect::Withdraw(step) => {
                if !tx.withdraw(tasks::kind(step), order.id).await? {
                    let order = order.id.0;
                    return Err(Error::Stored {
                        order,
                        what: "task",
                    });
                }
            }
        }
    }
    diesel::update(orders::table.find(order.id.0))
        .set(MovedRow::of(&order))
        .execute(tx.conn())
        .await?;
    Ok(order)
}

/// Writes the first history row of a new order, its event and its deadline.
pub(super) async fn begin(
    tx: &mut Tx,
    caller: &Caller,
    order: &Order,
    deadline: Time,
) -> Result<(), Error> {
    let event = events::created(order)?;
    let status = order.state.status();
    record(tx, caller, order, None, status, None, event).await?;
    tx.enqueue(caller, tasks::end_at(order, deadline)).await?;
    Ok(())
}

/// Publishes a move and keeps it in the history under the same version.
async fn record(
    tx: &mut Tx,
    caller: &Caller,
    order: &Order,
    from: Option<Status>,
    to: Status,
    reason: Option<Reason>,
    event: OutboxEvent,
) -> Result<(), Error> {
    let event_id = tx.publish(caller, event).await?;
    let transition = Transition {
        from,
        to,
        reason,
        actor: actor(caller),
        event_id,
        trace_id: trace_id(),
        time: order.update_time,
    };
    diesel::insert_into(order_transition::table)
        .values(TransitionRow::of(order.id, order.version, &transition))
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Who history names: the end user that calls, or the program that works in the background.
fn actor(caller: &Caller) -> String {
    match caller.user() {
        Some(user) => format!("user:{}", user.subject),
        None => caller.actor().principal,
    }
}

/// The trace id of the current span, without its span; empty outside any trace.
fn trace_id() -> String {
    let trace = TraceContext::of(&tracing::Span::current());
    let id = trace
        .as_ref()
        .and_then(|trace| trace.traceparent.split('-').nth(1));
    id.unwrap_or_default().to_owned()
}
