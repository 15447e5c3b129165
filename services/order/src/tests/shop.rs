//! Values that the tests of several files need: a catalogue, a wish, an order.

use chrono::DateTime;
use shop_chassis::{Currency, Money};
use uuid::Uuid;

use crate::domain::{
    CustomerId, Email, Order, OrderId, PaymentToken, Product, ProductId, Quantity, Time,
    Transition, Wish, WishedLine,
};
use crate::saga::Status;

pub(crate) const EMAIL: &str = "c1@example.org";
pub(crate) const TOKEN: &str = "tok_ok";

pub(crate) fn product_id(number: u128) -> ProductId {
    ProductId(Uuid::from_u128(number))
}

/// A product of 19.99 EUR.
pub(crate) fn product(number: u128) -> Product {
    Product {
        id: product_id(number),
        sku: format!("sku-{number}"),
        name: format!("product {number}"),
        price: Money::new(1_999, Currency::of("EUR").unwrap()),
    }
}

/// Two units of product 1.
pub(crate) fn wish() -> Wish {
    Wish {
        email: Email::parse(EMAIL).unwrap(),
        payment_token: PaymentToken::parse(TOKEN).unwrap(),
        lines: vec![WishedLine {
            index: 0,
            product: product_id(1),
            quantity: Quantity::parse(2).unwrap(),
        }],
    }
}

pub(crate) fn time() -> Time {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap()
}

/// A new order for [`wish`].
pub(crate) fn order(customer: &str) -> Order {
    let id = OrderId(Uuid::now_v7());
    let customer = CustomerId(customer.to_owned());
    Order::place(id, customer, &wish(), &[product(1)], time()).unwrap()
}

/// The status that a history leads to; none when it has a hole.
pub(crate) fn fold(history: &[Transition]) -> Option<Status> {
    let mut status = None;
    for transition in history {
        if transition.from != status {
            return None;
        }
        status = Some(transition.to);
    }
    status
}
