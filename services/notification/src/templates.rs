//! The words of every message: plain text, written from typed values only.
//!
//! Nothing a customer or merchant has typed reaches a subject or a text, so nothing typed can
//! become a header. An old notification renders to the same words again.

use crate::domain::{Content, OrderId, Reason};

/// The end of every text.
const CLOSING: &str = "Your Tradewind shop\n";

/// A message in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rendered {
    /// One line.
    pub(crate) subject: String,
    /// Lines that end in `\n`.
    pub(crate) text: String,
}

/// Writes a message about an order.
pub(crate) fn render(content: &Content, order_id: OrderId) -> Rendered {
    let text = format!(
        "Hello,\n\n{}\n\nOrder: {}\n\n{CLOSING}",
        paragraph(content),
        order_id.0
    );
    Rendered {
        subject: subject(content, order_id),
        text,
    }
}

/// The subject line alone.
pub(crate) fn subject(content: &Content, order_id: OrderId) -> String {
    let short = order_id.short();
    match content {
        Content::OrderReceived { .. } => format!("We have received your order {short}"),
        Content::Receipt { .. } => format!("Receipt for your order {short}"),
        Content::PaymentFailed => format!("The payment for your order {short} failed"),
        Content::OrderCancelled { .. } => format!("Your order {short} is cancelled"),
        Content::Refund { .. } => format!("A refund for your order {short}"),
    }
}

fn paragraph(content: &Content) -> String {
    match content {
        Content::OrderReceived { total } => format!(
            "thank you for your order over {total}.\n\
             We check the stock and the payment now and write again when it is paid."
        ),
        Content::Receipt { amount } => {
            format!("we have received your payment of {amount}. Your order is on its way.")
        }
        Content::PaymentFailed => "your payment was refused, so the order has ended and nothing \
                                   was charged.\nYou are welcome to order again with another \
                                   means of payment."
            .to_owned(),
        Content::OrderCancelled { reason } => format!(
            "your order is cancelled: {}.\nIf you were charged, the money is on its way back.",
            explain(*reason)
        ),
        Content::Refund { amount, refunded } if amount == refunded => {
            format!("we have given {amount} back to your means of payment.")
        }
        Content::Refund { amount, refunded } => format!(
            "we have given {amount} back to your means of payment.\n\
             That makes {refunded} in all for this order."
        ),
    }
}

fn explain(reason: Reason) -> &'static str {
    match reason {
        Reason::OutOfStock => "we do not have enough of what you ordered",
        Reason::PaymentFailed => "the payment failed",
        Reason::CancelRequested => "as you asked",
        Reason::DeadlinePassed => "we could not complete it in time",
    }
}

#[cfg(test)]
mod tests;
