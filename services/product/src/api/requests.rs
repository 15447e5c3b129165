//! From messages to domain values: every wrong field of a request is named in one answer, by the
//! path under which REST users write it.

use std::ops::RangeInclusive;

use shop_chassis::{Failure, Money, Violations};
use shop_proto::product::v1;

use crate::domain::{
    Adjustment, CATEGORY_CHARS_MAX, CAUSE_CHARS_MAX, DESCRIPTION_CHARS_MAX, Details,
    NAME_CHARS_MAX, NOTE_CHARS_MAX, NewProduct, OrderId, Patch, ProductId, SKU_CHARS_MAX,
    UNITS_MAX,
};
use crate::error::Error;

/// As many products as an order may have lines: one call prices an order.
const BATCH_MAX: usize = 100;

/// The fields of a product that a merchant may change, by their path in an update mask.
const CHANGEABLE: [&str; 5] = ["sku", "name", "description", "category", "price"];

/// A reservation to be given back, and why.
#[derive(Debug)]
pub(super) struct Release {
    pub(super) order_id: OrderId,
    pub(super) cause: String,
}

/// The product that a request names. What is no id names nothing, as an unknown id does.
pub(super) fn product_id(text: &str) -> Result<ProductId, Error> {
    ProductId::parse(text).ok_or(Error::ProductNotFound)
}

pub(super) fn product_ids(
    request: &v1::BatchGetProductsRequest,
) -> Result<Vec<ProductId>, Failure> {
    let mut violations = Violations::default();
    let count = request.product_ids.len();
    let problem = format!("must have 1 to {BATCH_MAX} ids");
    violations.check((1..=BATCH_MAX).contains(&count), "productIds", problem);
    let mut ids = Vec::with_capacity(count);
    for (index, text) in request.product_ids.iter().enumerate() {
        match ProductId::parse(text) {
            Some(id) => ids.push(id),
            None => violations.add(format!("productIds[{index}]"), "is not a product id"),
        }
    }
    violations.finish()?;
    Ok(ids)
}

pub(super) fn category_filter(
    request: &v1::ListProductsRequest,
) -> Result<Option<String>, Failure> {
    if request.category.is_empty() {
        return Ok(None);
    }
    let mut violations = Violations::default();
    let category = category(&mut violations, &request.category);
    violations.finish()?;
    Ok(Some(category))
}

/// The etag in the body of an update; empty when there is none.
pub(super) fn etag(request: &v1::UpdateProductRequest) -> &str {
    request.product.as_ref().map_or("", |product| &product.etag)
}

pub(super) fn order_id(text: &str) -> Result<OrderId, Failure> {
    OrderId::parse(text).ok_or_else(|| Failure::invalid("orderId", "is not an order id"))
}

impl TryFrom<&v1::CreateProductRequest> for NewProduct {
    type Error = Failure;

    fn try_from(request: &v1::CreateProductRequest) -> Result<Self, Failure> {
        let mut violations = Violations::default();
        let sku = sku(&mut violations, &request.sku);
        let name = name(&mut violations, &request.name);
        let description = description(&mut violations, &request.description);
        let category = category(&mut violations, &request.category);
        let price = price(&mut violations, request.price.as_ref());
        let initial_stock = request.initial_stock;
        let problem = format!("must be 0 to {UNITS_MAX}");
        violations.check(
            (0..=UNITS_MAX).contains(&initial_stock),
            "initialStock",
            problem,
        );
        let (Some(price), true) = (price, violations.is_empty()) else {
            return Err(violations.into());
        };
        let details = Details {
            sku,
            name,
            description,
            category,
            price,
        };
        Ok(Self {
            details,
            initial_stock,
        })
    }
}

impl TryFrom<&v1::UpdateProductRequest> for Patch {
    type Error = Failure;

    fn try_from(request: &v1::UpdateProductRequest) -> Result<Self, Failure> {
        let mut violations = Violations::default();
        let Some(product) = &request.product else {
            return Err(Failure::invalid("product", "is required"));
        };
        let fields = fields_to_change(&mut violations, request, product);
        let wanted = |field| fields.contains(&field);
        let mut patch = Self::default();
        if wanted("sku") {
            patch.sku = Some(sku(&mut violations, &product.sku));
        }
        if wanted("name") {
            patch.name = Some(name(&mut violations, &product.name));
        }
        if wanted("description") {
            patch.description = Some(description(&mut violations, &product.description));
        }
        if wanted("category") {
            patch.category = Some(category(&mut violations, &product.category));
        }
        if wanted("price") {
            patch.price = price(&mut violations, product.price.as_ref());
        }
        violations.finish()?;
        Ok(patch)
    }
}

impl TryFrom<&v1::AdjustStockRequest> for Adjustment {
    type Error = Failure;

    fn try_from(request: &v1::AdjustStockRequest) -> Result<Self, Failure> {
        let mut violations = Violations::default();
        let within = request.delta != 0 && request.delta.unsigned_abs() <= UNITS_MAX.unsigned_abs();
        let problem = format!("must be -{UNITS_MAX} to {UNITS_MAX} and not 0");
        violations.check(within, "delta", problem);
        let note = text(
            &mut violations,
            "reason",
            &request.reason,
            1..=NOTE_CHARS_MAX,
        );
        violations.finish()?;
        Ok(Self {
            product_id: product_id(&request.product_id)?,
            delta: request.delta,
            note,
        })
    }
}

impl TryFrom<&v1::ReleaseReservationRequest> for Release {
    type Error = Failure;

    fn try_from(request: &v1::ReleaseReservationRequest) -> Result<Self, Failure> {
        let mut violations = Violations::default();
        let cause = text(
            &mut violations,
            "cause",
            &request.cause,
            1..=CAUSE_CHARS_MAX,
        );
        let (order_id, ()) = Failure::both(order_id(&request.order_id), violations.finish())?;
        Ok(Self { order_id, cause })
    }
}

/// The fields that the update mask names; without a mask, those that are set.
fn fields_to_change(
    violations: &mut Violations,
    request: &v1::UpdateProductRequest,
    product: &v1::Product,
) -> Vec<&'static str> {
    let paths = match &request.update_mask {
        Some(mask) => mask.paths.as_slice(),
        None => &[],
    };
    if paths.is_empty() {
        return CHANGEABLE
            .into_iter()
            .filter(|field| is_set(product, field))
            .collect();
    }
    let mut fields = Vec::new();
    for (index, path) in paths.iter().enumerate() {
        if path == "*" {
            fields.extend(CHANGEABLE);
            continue;
        }
        match CHANGEABLE.into_iter().find(|field| field == path) {
            Some(field) => fields.push(field),
            None => {
                // Not the path itself: it may be as long as a request.
                let known = CHANGEABLE.join(", ");
                let problem = format!("path {} is none of {known}", index + 1);
                violations.add("updateMask", problem);
            }
        }
    }
    fields
}

fn is_set(product: &v1::Product, field: &str) -> bool {
    match field {
        "sku" => !product.sku.is_empty(),
        "name" => !product.name.is_empty(),
        "description" => !product.description.is_empty(),
        "category" => !product.category.is_empty(),
        "price" => product.price.is_some(),
        _ => false,
    }
}

fn sku(violations: &mut Violations, value: &str) -> String {
    let printable = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    violations.check(printable, "sku", "must be printable ASCII");
    text(violations, "sku", value, 1..=SKU_CHARS_MAX)
}

fn name(violations: &mut Violations, value: &str) -> String {
    text(violations, "name", value, 1..=NAME_CHARS_MAX)
}

fn description(violations: &mut Violations, value: &str) -> String {
    text(violations, "description", value, 0..=DESCRIPTION_CHARS_MAX)
}

fn category(violations: &mut Violations, value: &str) -> String {
    text(violations, "category", value, 1..=CATEGORY_CHARS_MAX)
}

fn price(violations: &mut Violations, value: Option<&shop_proto::Money>) -> Option<Money> {
    let Some(value) = value else {
        violations.add("price", "is required");
        return None;
    };
    match Money::parse(&value.currency_code, value.units, value.nanos) {
        Ok(price) => {
            violations.check(!price.is_negative(), "price", "must not be negative");
            Some(price)
        }
        Err(part) => {
            violations.extend("price", part);
            None
        }
    }
}

/// Text of so many characters. PostgreSQL cannot keep NUL.
fn text(
    violations: &mut Violations,
    path: &str,
    value: &str,
    chars: RangeInclusive<usize>,
) -> String {
    let count = value.chars().count();
    let problem = format!("must have {} to {} characters", chars.start(), chars.end());
    violations.check(chars.contains(&count), path, problem);
    violations.check(!value.contains('\0'), path, "must not contain NUL");
    value.to_owned()
}
