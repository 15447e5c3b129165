//! The running instance that the tests are about, and what a test may ask of it.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::time::Instant;
use uuid::Uuid;

/// Longest that an order takes to settle here, also right after a fault (contract: 60 s).
pub(crate) const SETTLED_WITHIN: Duration = Duration::from_secs(60);
/// How often a condition is looked at again.
const POLL: Duration = Duration::from_millis(50);

static DISTURBANCE: RwLock<()> = RwLock::const_new(());

/// Held by every test that needs all parts to stay up.
pub(crate) async fn undisturbed() -> RwLockReadGuard<'static, ()> {
    DISTURBANCE.read().await
}

/// Held by a test that takes a part away.
pub(crate) async fn alone() -> RwLockWriteGuard<'static, ()> {
    DISTURBANCE.write().await
}

/// The instance under test.
pub(crate) struct Shop {
    pub(crate) instance: u8,
    pub(crate) root: PathBuf,
    pub(crate) run: PathBuf,
}

/// Who calls the REST API.
#[derive(Clone)]
pub(crate) struct User {
    token: Option<String>,
    pub(crate) subject: String,
    http: Client<HttpConnector, Full<Bytes>>,
    base: String,
}

/// What the gateway answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// A mail that the sink took.
#[derive(Debug)]
pub(crate) struct Mail {
    pub(crate) text: String,
}

// === impl Shop ===

impl Shop {
    pub(crate) fn running() -> &'static Self {
        static SHOP: OnceLock<Shop> = OnceLock::new();
        SHOP.get_or_init(|| {
            let var = |name| {
                std::env::var(name).unwrap_or_else(|_| {
                    panic!("{name} is not set: these tests need a running shop, use `make test`")
                })
            };
            Self {
                instance: var("TRADEWIND_INSTANCE").parse().unwrap(),
                root: var("TRADEWIND_ROOT").into(),
                run: var("TRADEWIND_RUN").into(),
            }
        })
    }

    pub(crate) fn address(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, 77, self.instance, host)
    }

    pub(crate) fn secret(&self, name: &str) -> String {
        let path = self.run.join("secrets").join(name);
        std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
            .trim()
            .to_owned()
    }

    /// Nobody: no token at all.
    pub(crate) fn anyone(&self) -> User {
        self.user_with(String::new(), None)
    }

    /// A new customer whom no other test knows.
    pub(crate) fn customer(&self) -> User {
        let subject = format!("customer-{}", Uuid::now_v7());
        self.user(&subject, "customer")
    }

    pub(crate) fn merchant(&self) -> User {
        self.user("merchant-1", "merchant")
    }

    pub(crate) fn support(&self) -> User {
        self.user("support-1", "support")
    }

    pub(crate) fn user(&self, subject: &str, role: &str) -> User {
        let now = i64::try_from(jsonwebtoken::get_current_timestamp()).unwrap();
        let claims = json!({
            "iss": "https://dev.tradewind.local", "aud": ["tradewind"], "sub": subject,
            "roles": [role], "scope": "", "iat": now, "exp": now + 3600,
        });
        self.user_with(subject.to_owned(), Some(self.sign(&claims)))
    }

    /// A token with any claims, signed with the development key.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        let jwks = std::fs::read_to_string(self.run.join("jwks.json")).unwrap();
        let jwks: Value = serde_json::from_str(&jwks).unwrap();
        let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256);
        header.kid = jwks["keys"][0]["kid"].as_str().map(str::to_owned);
        let pem = std::fs::read(self.run.join("jwt-key.pem")).unwrap();
        let key = jsonwebtoken::EncodingKey::from_ec_pem(&pem).unwrap();
        jsonwebtoken::encode(&header, claims, &key).unwrap()
    }

    pub(crate) fn user_with(&self, subject: String, token: Option<String>) -> User {
        User {
            token,
            subject,
            ..self.plain(&format!("http://{}:8080", self.address(10)))
        }
    }

    /// A client of any plain HTTP listener of the instance.
    pub(crate) fn plain(&self, base: &str) -> User {
        let http = Client::builder(TokioExecutor::new()).build_http();
        User {
            token: None,
            subject: String::new(),
            http,
            base: base.to_owned(),
        }
    }

    /// A new product with so many units and its price in cents of a dollar.
    pub(crate) async fn product(&self, stock: i32, cents: i64) -> String {
        let sku = format!("E2E-{}", Uuid::now_v7().simple());
        let answer = self
            .merchant()
            .post(
                "/v1/products",
                &json!({
                    "sku": sku, "name": "Test kettle", "description": "Boils", "category": "test",
                    "price": {"currencyCode": "USD", "units": (cents / 100).to_string(),
                              "nanos": (cents % 100) * 10_000_000},
                    "initialStock": stock,
                }),
            )
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn stock(&self, product: &str) -> (i64, i64, i64) {
        let answer = self.anyone().get(&format!("/v1/products/{product}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let units = |field: &str| answer.body["stock"][field].as_i64().unwrap();
        (units("onHand"), units("reserved"), units("available"))
    }

    /// Waits until the mails about `order` are exactly those of `subjects`, in any order.
    pub(crate) async fn mails(&self, order: &str, templates: &[&str]) -> Vec<Mail> {
        let mut wanted: Vec<_> = templates.iter().map(|name| (*name).to_owned()).collect();
        wanted.sort();
        let what = format!("the mails {templates:?} about order {order}");
        let support = self.support();
        eventually(&what, || async {
            let sent = support
                .get(&format!("/v1/notifications?order_id={order}"))
                .await;
            let sent = sent.body["notifications"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let of = |field: &str, item: &Value| item[field].as_str().unwrap().to_owned();
            let done = sent.iter().all(|item| of("status", item) == "SENT");
            let mut found: Vec<_> = sent.iter().map(|item| of("template", item)).collect();
            found.sort();
            (done && found == wanted).then_some(())
        })
        .await;
        self.mails_now(order)
    }

    /// The mails about `order` that lie in the sink now.
    pub(crate) fn mails_now(&self, order: &str) -> Vec<Mail> {
        let files = std::fs::read_dir(self.run.join("mail"))
            .unwrap()
            .map(|file| file.unwrap());
        let texts = files
            .filter(|file| file.path().extension().is_some_and(|name| name == "eml"))
            .map(|file| std::fs::read_to_string(file.path()).unwrap());
        texts
            .filter(|text| text.contains(order))
            .map(|text| Mail { text })
            .collect()
    }

    /// What the provider's own ledger holds of a payment: (captured, refunded) of each charge.
    pub(crate) async fn charges(&self, payment: &Value) -> Vec<(i64, i64)> {
        let mut provider = self.plain(&format!("http://{}:8090", self.address(7)));
        provider.token = Some(self.secret("psp"));
        let ledger = provider.get("/v1/ledger").await;
        let all = ledger.body["authorizations"].as_array().unwrap().iter();
        let of_payment = all.filter(|one| one["reference"] == payment["id"]);
        let minor = |one: &Value, field: &str| one[field].as_i64().unwrap();
        of_payment
            .map(|one| (minor(one, "captured_minor"), minor(one, "refunded_minor")))
            .collect()
    }

    /// Opens a database with the role of a service.
    pub(crate) async fn connect(
        &self,
        role: &str,
        database: &str,
    ) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::Config::new()
            .host(self.address(4).to_string())
            .user(role)
            .password(self.secret(&format!("postgres.{role}")))
            .dbname(database)
            .connect(tokio_postgres::NoTls)
            .await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// The process of a service of this instance.
    pub(crate) fn process(&self, service: &str) -> u32 {
        let name = format!("MESH_SERVICE_ACCOUNT={service}\0");
        let run = format!("MESH_ENDPOINTS_FILE={}/", self.run.display());
        let of = |process: u32| {
            let environment = std::fs::read(format!("/proc/{process}/environ")).ok()?;
            let environment = String::from_utf8_lossy(&environment).into_owned();
            let command = std::fs::read_to_string(format!("/proc/{process}/cmdline")).ok()?;
            let program = command
                .split('\0')
                .next()?
                .ends_with(&format!("/{service}"));
            let ours = environment.contains(&name) && environment.contains(&run);
            (ours && program).then_some(process)
        };
        let all = std::fs::read_dir("/proc").unwrap();
        let mut numbers = all.filter_map(|one| one.ok()?.file_name().to_str()?.parse().ok());
        numbers.find_map(of).unwrap()
    }

    /// Runs the project's own control script on this instance.
    pub(crate) async fn control(&self, arguments: &[&str]) -> std::process::Output {
        tokio::process::Command::new(self.root.join("scripts/tradewind.sh"))
            .arg("--instance")
            .arg(self.instance.to_string())
            .args(arguments)
            .current_dir(&self.root)
            .output()
            .await
            .unwrap()
    }
}

// === impl User ===

impl User {
    /// The token, to be sent to a service without the gateway.
    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// This client with the token of another one.
    pub(crate) fn with_token_of(mut self, user: &Self) -> Self {
        self.token.clone_from(&user.token);
        self.subject.clone_from(&user.subject);
        self
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &[], body.to_string().into())
            .await
    }

    pub(crate) async fn post_with_key(&self, path: &str, key: &str, body: &Value) -> Answer {
        let headers = [("idempotency-key", key)];
        self.send(Method::POST, path, &headers, body.to_string().into())
            .await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Answer {
        self.try_send(method, path, headers, body).await.unwrap()
    }

    /// Fails when the connection does.
    pub(crate) async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        if !body.is_empty() && !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body))?;
        let answer = self.http.request(request).await?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        let body = serde_json::from_slice(&body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        })
    }

    /// Places an order with a key of its own and answers its id.
    pub(crate) async fn order(&self, product: &str, quantity: i32, payment: &str) -> String {
        let body = order_body(product, quantity, payment);
        let answer = self
            .post_with_key("/v1/orders", &Uuid::now_v7().to_string(), &body)
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body["status"], "PENDING", "{answer:?}");
        answer.body["id"].as_str().unwrap().to_owned()
    }

    /// Waits until the order has this status and answers the order.
    pub(crate) async fn wait_for(&self, order: &str, status: &str) -> Value {
        let path = format!("/v1/orders/{order}");
        eventually(&format!("order {order} to be {status}"), || async {
            let answer = self.get(&path).await;
            (answer.body["status"] == status).then_some(answer.body)
        })
        .await
    }

    /// The one payment of an order.
    pub(crate) async fn payment(&self, order: &str) -> Value {
        let answer = self.get(&format!("/v1/payments?order_id={order}")).await;
        let payments = answer.body["payments"]
            .as_array()
            .unwrap_or_else(|| panic!("{answer:?}"));
        assert_eq!(payments.len(), 1, "{answer:?}");
        payments[0].clone()
    }
}

// === impl Answer ===

impl Answer {
    /// `reason` of the answer's `ErrorInfo`.
    pub(crate) fn reason(&self) -> &str {
        self.detail("ErrorInfo")["reason"]
            .as_str()
            .unwrap_or_default()
    }

    /// The fields named by the answer's `BadRequest`.
    pub(crate) fn fields(&self) -> Vec<String> {
        let violations = self.detail("BadRequest")["fieldViolations"]
            .as_array()
            .cloned();
        let fields = violations.unwrap_or_default();
        fields
            .iter()
            .map(|one| one["field"].as_str().unwrap().to_owned())
            .collect()
    }

    fn detail(&self, name: &str) -> &Value {
        let details = self.body["details"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let found = details.iter().find(|detail| {
            detail["@type"]
                .as_str()
                .is_some_and(|it| it.ends_with(name))
        });
        found.unwrap_or(&Value::Null)
    }
}

pub(crate) fn order_body(product: &str, quantity: i32, payment: &str) -> Value {
    json!({
        "email": "ada@example.com",
        "lines": [{"productId": product, "quantity": quantity}],
        "paymentToken": payment,
    })
}

/// Dollars as they stand in JSON.
pub(crate) fn usd(units: i64, nanos: i64) -> Value {
    json!({"currencyCode": "USD", "units": units.to_string(), "nanos": nanos})
}

/// Looks again and again until `look` finds something; fails the test after [`SETTLED_WITHIN`].
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + SETTLED_WITHIN;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "waited {SETTLED_WITHIN:?} for {what}"
        );
        tokio::time::sleep(POLL).await;
    }
}
