//! Requests that are random but not noise: mostly a good one with something wrong in it, so that
//! they come as far as a service, its database and its neighbours.

use std::fmt;

use http::Method;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Map, Value, json};

use crate::shop::{Answer, User};

/// As deep as a random value goes; Envoy's parser ends at 100.
const DEPTH_MAX: u32 = 5;
/// Ids that are remembered of each kind.
const KNOWN_MAX: usize = 50;

/// Templates of paths: every route, and some that are none.
const ROUTES: [(&str, Method); 16] = [
    ("/v1/products", Method::GET),
    ("/v1/products", Method::POST),
    ("/v1/products/{product}", Method::GET),
    ("/v1/products/{product}", Method::PATCH),
    ("/v1/products/{product}", Method::DELETE),
    ("/v1/products/{product}:adjustStock", Method::POST),
    ("/v1/orders", Method::GET),
    ("/v1/orders", Method::POST),
    ("/v1/orders/{order}", Method::GET),
    ("/v1/orders/{order}:cancel", Method::POST),
    ("/v1/orders/{order}/history", Method::GET),
    ("/v1/payments", Method::GET),
    ("/v1/payments/{payment}", Method::GET),
    ("/v1/payments/{payment}:refund", Method::POST),
    ("/v1/notifications", Method::GET),
    ("/v1/{text}/{order}/{text}", Method::GET),
];
const METHODS: [Method; 8] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::HEAD,
    Method::OPTIONS,
    Method::TRACE,
];
/// Names that mean something somewhere.
const NAMES: [&str; 24] = [
    "sku",
    "name",
    "description",
    "category",
    "price",
    "initialStock",
    "requestId",
    "etag",
    "delta",
    "reason",
    "email",
    "lines",
    "productId",
    "quantity",
    "paymentToken",
    "amount",
    "currencyCode",
    "units",
    "nanos",
    "orderId",
    "paymentId",
    "updateMask",
    "id",
    "stock",
];
const PARAMETERS: [&str; 12] = [
    "page_size",
    "pageSize",
    "page_token",
    "category",
    "customer_id",
    "order_id",
    "update_mask",
    "etag",
    "product_id",
    "colour",
    "name.x",
    "",
];
const HEADERS: [&str; 14] = [
    "idempotency-key",
    "if-match",
    "content-type",
    "accept",
    "x-request-id",
    "traceparent",
    "grpc-timeout",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-http-method-override",
    "origin",
    "expect-ct",
    "cookie",
    "te",
];
/// Texts with a history.
const TEXTS: [&str; 24] = [
    "",
    " ",
    "\0",
    "a\0b",
    "\r\nBcc: eve@example.com",
    "'; drop table orders; --",
    "%",
    "_%_%_%",
    "{{7*7}}",
    "${jndi:ldap://x}",
    "<script>",
    "../../etc/passwd",
    "\u{202e}abc",
    "\u{1b}[31m",
    "\u{feff}",
    "\u{1f600}\u{1f600}",
    "NaN",
    "null",
    "-1",
    "9223372036854775808",
    "1e400",
    "*",
    "00000000-0000-0000-0000-000000000000",
    "=cmd()",
];

/// Ids and tokens that the shop has given out.
#[derive(Clone, Default)]
pub(super) struct Known {
    pub(super) products: Vec<String>,
    pub(super) orders: Vec<String>,
    pub(super) payments: Vec<String>,
    pub(super) pages: Vec<String>,
    pub(super) etags: Vec<String>,
}

/// Who sends: one of each role, and those whom no route is for.
pub(super) struct Users {
    pub(super) customer: User,
    pub(super) merchant: User,
    pub(super) support: User,
    pub(super) others: Vec<User>,
}

#[derive(Clone, Debug)]
pub(super) struct RandomRequest {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

/// A request and who sends it.
pub(super) struct Sent<'a> {
    pub(super) user: &'a User,
    pub(super) request: RandomRequest,
}

pub(super) struct Generator {
    random: StdRng,
    known: Known,
    users: Users,
}

// === impl Generator ===

impl Generator {
    pub(super) fn new(seed: u64, known: Known, users: Users) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            known,
            users,
        }
    }

    pub(super) fn request(&mut self) -> Sent<'_> {
        let (route, method) = self.one_of(&ROUTES).clone();
        let method = if self.chance(0.1) {
            self.one_of(&METHODS).clone()
        } else {
            method
        };
        let path = self.path(route) + &self.query();
        let body = if matches!(method, Method::POST | Method::PUT | Method::PATCH) {
            self.body(route)
        } else {
            Vec::new()
        };
        let request = RandomRequest {
            headers: self.headers(),
            method,
            path,
            body,
        };
        let chosen = self.random.random_range(0..20);
        let users = &self.users;
        let user = match chosen {
            0..4 => &users.others[chosen],
            _ if route.contains("refund") || chosen == 4 => &users.support,
            _ if route.contains("products") => &users.merchant,
            _ => &users.customer,
        };
        Sent { user, request }
    }

    /// Remembers what later requests can be about.
    pub(super) fn learn(&mut self, answer: &Answer) {
        let id = answer.body["id"].as_str();
        let (kind, value) = if answer.body["sku"].is_string() {
            if let Some(etag) = answer.body["etag"].as_str() {
                remember(&mut self.known.etags, etag);
            }
            (&mut self.known.products, id)
        } else if answer.body["lines"].is_array() {
            (&mut self.known.orders, id)
        } else if let Some(payment) = answer.body["payments"][0]["id"].as_str() {
            (&mut self.known.payments, Some(payment))
        } else {
            let token = answer.body["nextPageToken"].as_str();
            (&mut self.known.pages, token)
        };
        if let Some(value) = value {
            remember(kind, value);
        }
    }

    fn path(&mut self, route: &str) -> String {
        let mut path = String::new();
        for (index, part) in route.split(['{', '}']).enumerate() {
            // Every second part stands in braces.
            let text = match part {
                "product" => self.id(|known| &known.products),
                "order" => self.id(|known| &known.orders),
                "payment" => self.id(|known| &known.payments),
                "text" => self.text(),
                literal => literal.to_owned(),
            };
            match index % 2 {
                0 => path.push_str(&text),
                _ => path.push_str(&self.escaped(&text)),
            }
        }
        path
    }

    /// Mostly one that exists.
    fn id(&mut self, kind: impl Fn(&Known) -> &Vec<String>) -> String {
        let ids = kind(&self.known);
        let known = ids.choose(&mut self.random).cloned();
        match (self.random.random_range(0..10), known) {
            (0, _) | (_, None) => self.text(),
            (1, Some(id)) => id.to_uppercase(),
            (2, Some(id)) => id + *self.one_of(&["x", " ", "\0", ":", "%"]),
            (_, Some(id)) => id,
        }
    }

    /// Percent-encoded, and now and then not even UTF-8.
    fn escaped(&mut self, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        if self.chance(0.05) {
            bytes.push(0xff);
        }
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
        let escape = |byte: u8| match plain(&byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02x}"),
        };
        bytes.into_iter().map(escape).collect()
    }

    fn query(&mut self) -> String {
        let mut query = String::new();
        while self.chance(0.3) {
            let sign = if query.is_empty() { '?' } else { '&' };
            let name = *self.one_of(&PARAMETERS);
            let value = match self.random.random_range(0..5) {
                0 => self.random.random_range(-3..2000).to_string(),
                1 => self.id(|known| &known.pages),
                2 => self.id(|known| &known.orders),
                3 => (*self.one_of(&NAMES)).to_owned(),
                _ => self.text(),
            };
            query.push(sign);
            query.push_str(name);
            query.push('=');
            query.push_str(&self.escaped(&value));
        }
        query
    }

    fn headers(&mut self) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        if self.chance(0.8) {
            let key = self.random.random::<u64>().to_string();
            headers.push(("idempotency-key", key));
        }
        if self.chance(0.95) {
            headers.push(("content-type", "application/json".to_owned()));
        }
        while self.chance(0.2) {
            let name = *self.one_of(&HEADERS);
            let value = match self.random.random_range(0..3) {
                0 => self.id(|known| &known.etags),
                _ => self.text(),
            };
            // What no client library lets through is not sent.
            let printable = |c: &char| c.is_ascii_graphic() || *c == ' ';
            headers.push((name, value.chars().filter(printable).take(2000).collect()));
        }
        headers
    }

    fn body(&mut self, route: &str) -> Vec<u8> {
        if self.chance(0.1) {
            return self.value(0).to_string().into();
        }
        let mut body = self.good_body(route);
        while self.chance(0.5) {
            self.spoil(&mut body, 0);
        }
        let mut text: Vec<u8> = body.to_string().into();
        if self.chance(0.05) {
            let at = self.random.random_range(0..=text.len());
            text.truncate(at);
        }
        if self.chance(0.05) {
            let at = self.random.random_range(0..=text.len());
            text.insert(at, self.random.random());
        }
        text
    }

    fn good_body(&mut self, route: &str) -> Value {
        if route.ends_with("/orders") {
            let token = *self.one_of(&["tok_ok", "tok_ok", "tok_declined"]);
            let lines: Vec<_> = (0..self.random.random_range(1..4))
                .map(|_| {
                    let id = self.id(|known| &known.products);
                    json!({"productId": id, "quantity": self.random.random_range(1..3)})
                })
                .collect();
            json!({"email": "random@example.com", "lines": lines, "paymentToken": token})
        } else if route.ends_with(":adjustStock") {
            json!({"delta": self.random.random_range(-5..1000), "reason": "random"})
        } else if route.ends_with(":refund") {
            json!({"amount": self.money(), "reason": "random"})
        } else if route.contains("/products") {
            let sku = format!("R-{:x}", self.random.random::<u64>());
            json!({
                "sku": sku, "name": "Random", "description": "d", "category": "random",
                "price": self.money(), "initialStock": self.random.random_range(0..100),
            })
        } else {
            json!({})
        }
    }

    fn money(&mut self) -> Value {
        let currency = *self.one_of(&["USD", "USD", "USD", "EUR", "JPY", "XXQ"]);
        let units = self.random.random_range(0..10).to_string();
        let nanos = *self.one_of(&[0, 10_000_000, 500_000_000, 1]);
        json!({"currencyCode": currency, "units": units, "nanos": nanos})
    }

    /// Changes one place of a value.
    fn spoil(&mut self, value: &mut Value, depth: u32) {
        let here = self.chance(0.25);
        match value {
            Value::Object(fields) if !here && !fields.is_empty() => {
                let names: Vec<_> = fields.keys().cloned().collect();
                let name = self.one_of(&names).clone();
                match self.random.random_range(0..6) {
                    0 => drop(fields.remove(&name)),
                    1 => {
                        let other = *self.one_of(&NAMES);
                        fields.insert(other.to_owned(), self.value(depth));
                    }
                    _ => self.spoil(&mut fields[&name], depth + 1),
                }
            }
            Value::Array(items) if !here && !items.is_empty() => {
                let at = self.random.random_range(0..items.len());
                match self.random.random_range(0..5) {
                    0 => drop(items.remove(at)),
                    1 => {
                        let times = *self.one_of(&[1, 2, 99, 150]);
                        items.extend(vec![items[at].clone(); times]);
                    }
                    _ => self.spoil(&mut items[at], depth + 1),
                }
            }
            other => *other = self.value(depth),
        }
    }

    /// Any JSON.
    fn value(&mut self, depth: u32) -> Value {
        let kinds = if depth < DEPTH_MAX { 8 } else { 6 };
        match self.random.random_range(0..kinds) {
            0 => Value::Null,
            1 => Value::Bool(self.random.random()),
            2 => self.number(),
            3 => self.money(),
            4 | 5 => Value::String(self.text()),
            6 => (0..self.random.random_range(0..4))
                .map(|_| self.value(depth + 1))
                .collect(),
            _ => {
                let mut fields = Map::new();
                for _ in 0..self.random.random_range(0..4) {
                    let name = *self.one_of(&NAMES);
                    fields.insert(name.to_owned(), self.value(depth + 1));
                }
                Value::Object(fields)
            }
        }
    }

    fn number(&mut self) -> Value {
        match self.random.random_range(0..5) {
            0 => json!(self.random.random_range(-2..1100)),
            1 => json!(self.random.random::<i64>()),
            2 => json!(self.random.random::<f64>() * 1e3),
            3 => json!(*self.one_of(&[1e300, -0.0, 1e-300, 2_147_483_648.0])),
            _ => json!(*self.one_of(&[i64::MIN, i64::MAX, -1, 0, i64::from(i32::MAX)])),
        }
    }

    fn text(&mut self) -> String {
        match self.random.random_range(0..12) {
            0 => {
                let length = *self.one_of(&[64, 65, 200, 255, 300, 5000]);
                let unit = *self.one_of(&["x", "\u{e9}", "\u{1f600}", "\0"]);
                unit.repeat(length)
            }
            1 => {
                let length = self.random.random_range(0..40);
                (0..length).map(|_| self.random.random::<char>()).collect()
            }
            _ => (*self.one_of(&TEXTS)).to_owned(),
        }
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.random.random_bool(probability)
    }

    fn one_of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        items
            .choose(&mut self.random)
            .expect("there is something to choose from")
    }
}

// === impl RandomRequest ===

impl fmt::Display for RandomRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        write!(
            f,
            "{} {} {:?}\n{body}",
            self.method, self.path, self.headers
        )
    }
}

/// Keeps the newest: old ones are deleted, cancelled and refunded by now.
fn remember(values: &mut Vec<String>, value: &str) {
    if value.is_empty() {
        return;
    }
    if values.len() == KNOWN_MAX {
        values.remove(1);
    }
    values.push(value.to_owned());
}
