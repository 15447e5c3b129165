//! Calls to the catalogue of the product service, which is asked for every price.

use std::time::Duration;

use mesh_dataplane::MeshChannel;
use shop_chassis::{Failure, Kind, Money};
use shop_proto::product::v1::product_service_client::ProductServiceClient;
use shop_proto::product::v1::{self as wire, BatchGetProductsRequest};
use tonic::{Request, Status};

use crate::domain::{Product, ProductId};
use crate::error::Error;

/// A customer waits for this answer: below the route's 10 s, and longer than the catalogue's
/// process takes to be replaced.
const DEADLINE: Duration = Duration::from_secs(8);
/// What a customer is told to wait when the catalogue is away and says nothing else.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The catalogue. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ProductClient {
    client: ProductServiceClient<MeshChannel>,
}

// === impl ProductClient ===

impl ProductClient {
    pub(crate) fn new(channel: MeshChannel) -> Self {
        Self {
            client: ProductServiceClient::new(channel),
        }
    }

    /// Those of `ids` that can be ordered now. No token goes along: this service asks for itself.
    pub(crate) async fn batch(&self, ids: &[ProductId]) -> Result<Vec<Product>, Failure> {
        let product_ids = ids.iter().map(ProductId::to_string).collect();
        let mut request = Request::new(BatchGetProductsRequest { product_ids });
        request.set_timeout(DEADLINE);
        let response = self.client.clone().batch_get_products(request).await;
        let products = response.map_err(unanswered)?.into_inner().products;
        let products: Result<Vec<Product>, Error> =
            products.into_iter().map(Product::try_from).collect();
        Ok(products?)
    }
}

/// Whatever is wrong with our question is no mistake of the customer's.
fn unanswered(status: Status) -> Failure {
    let failure = Failure::from(status);
    if !failure.retryable() {
        return Failure::new(Kind::Internal, "catalogue refused to answer").caused_by(failure);
    }
    match failure.delay() {
        Some(_) => failure,
        None => failure.retry_after(RETRY_AFTER),
    }
}

impl TryFrom<wire::Product> for Product {
    type Error = Error;

    fn try_from(product: wire::Product) -> Result<Self, Error> {
        let malformed = |field| Error::Catalogue { field };
        let id = product.id.parse().map_err(|_| malformed("id"))?;
        let price = product.price.ok_or(malformed("price"))?;
        Ok(Self {
            id: ProductId(id),
            sku: product.sku,
            name: product.name,
            price: Money::parse(&price.currency_code, price.units, price.nanos)
                .map_err(|_| malformed("price"))?,
        })
    }
}
