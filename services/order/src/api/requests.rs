//! Requests, parsed: every wrong field of one is named, as REST users write it.

use shop_chassis::{EndUser, Failure, Role, Violations};
use shop_proto::order::v1;

use crate::domain::{
    CustomerId, Email, LINES_MAX, OrderId, PaymentToken, ProductId, Quantity, Scope, Wish,
    WishedLine, merge,
};
use crate::error::Error;

/// The longest `sub` that a token can sensibly have; longer ones name no customer.
const CUSTOMER_ID_LENGTH_MAX: usize = 255;

/// What is no id names no order: the caller learns no more than from an id that is unknown.
pub(super) fn order_id(text: &str) -> Result<OrderId, Error> {
    text.parse().map(OrderId).map_err(|_| Error::NotFound)
}

impl Scope {
    pub(super) fn of(user: &EndUser) -> Self {
        if user.has(Role::Support) || user.has(Role::Admin) {
            Self::Any
        } else {
            Self::Own(CustomerId(user.subject.clone()))
        }
    }

    /// Only the orders of one customer, when one is named. Who sees only its own still does.
    pub(super) fn narrowed(self, customer_id: &str) -> Result<Self, Failure> {
        let mut violations = Violations::default();
        let fits = customer_id.len() <= CUSTOMER_ID_LENGTH_MAX;
        violations.check(fits, "customerId", "must have at most 255 bytes");
        let printable = !customer_id.chars().any(char::is_control);
        violations.check(printable, "customerId", "must have no control characters");
        violations.finish()?;
        Ok(match self {
            Self::Any if !customer_id.is_empty() => Self::Own(CustomerId(customer_id.to_owned())),
            scope => scope,
        })
    }
}

impl TryFrom<&v1::CreateOrderRequest> for Wish {
    type Error = Failure;

    fn try_from(request: &v1::CreateOrderRequest) -> Result<Self, Failure> {
        let mut violations = Violations::default();
        let email = violations.take("email", Email::parse(&request.email));
        let token = PaymentToken::parse(&request.payment_token);
        let payment_token = violations.take("paymentToken", token);
        let count = request.lines.len();
        violations.check(
            (1..=LINES_MAX).contains(&count),
            "lines",
            "must be 1 to 100 lines",
        );
        let lines = wished_lines(&request.lines, &mut violations);
        match (email, payment_token) {
            (Some(email), Some(payment_token)) if violations.is_empty() => Ok(Self {
                email,
                payment_token,
                lines,
            }),
            _ => Err(violations.into()),
        }
    }
}

fn wished_lines(requested: &[v1::RequestedLine], violations: &mut Violations) -> Vec<WishedLine> {
    let mut lines = Vec::with_capacity(requested.len().min(LINES_MAX));
    for (index, line) in requested.iter().enumerate().take(LINES_MAX) {
        let product = ProductId::parse(&line.product_id);
        let product = violations.take(format!("lines[{index}].productId"), product);
        let quantity = Quantity::parse(line.quantity);
        let quantity = violations.take(format!("lines[{index}].quantity"), quantity);
        if let (Some(product), Some(quantity)) = (product, quantity) {
            lines.push(WishedLine {
                index,
                product,
                quantity,
            });
        }
    }
    match merge(lines) {
        Ok(merged) => merged,
        Err(beyond) => {
            for index in beyond {
                let field = format!("lines[{index}].quantity");
                violations.add(field, "the lines of a product must add up to at most 999");
            }
            Vec::new()
        }
    }
}
