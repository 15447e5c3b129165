//! Logs, traces and metrics of one process, and the W3C context that ties them together.
//!
//! Every process starts it once with [`init`] and ends it with [`Telemetry::shutdown`]. Spans have
//! W3C ids whether or not an exporter is configured, so that logs, outbox rows and Kafka headers
//! carry the same trace everywhere. It does not measure requests: layers and loops do.

#![warn(missing_docs)]

mod ids;
mod logs;
pub mod metrics;
pub mod propagation;

use std::io;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};

/// A collector that does not answer must not hold up the end of a process for longer than this.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);
/// One export; the batch processor goes on with the next batch after it.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// Spans of these libraries describe the export itself: exporting them would feed the exporter.
const UNTRACED: [&str; 6] = ["h2", "hyper", "hyper_util", "tonic", "tower", "rdkafka"];

/// What a process tells its telemetry.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the program: `service` in logs, `service.name` in traces.
    pub service: String,
    /// Filter of the logs in `tracing` syntax, for example `info,shop_order=debug`.
    pub filter: String,
    /// Address of an OTLP collector (gRPC), for example `http://127.0.0.1:4317`; none exports
    /// nothing.
    pub otlp_endpoint: Option<String>,
}

/// The running telemetry of this process; [`Telemetry::shutdown`] sends what is still held back.
#[derive(Debug)]
#[must_use = "dropped telemetry loses the last spans"]
pub struct Telemetry {
    /// Only where spans are exported.
    provider: Option<SdkTracerProvider>,
}

/// Why telemetry could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The log filter does not parse.
    #[error("log filter \"{filter}\" is not valid")]
    Filter {
        /// The filter as it was given.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// The exporter of traces could not be built.
    #[error("exporter for \"{endpoint}\" could not be built")]
    Exporter {
        /// The collector's address as it was given.
        endpoint: String,
        /// What is wrong with it.
        #[source]
        source: opentelemetry_otlp::ExporterBuildError,
    },
    /// Another subscriber was installed before.
    #[error("telemetry was started twice in this process")]
    AlreadyStarted(#[source] tracing::subscriber::SetGlobalDefaultError),
}

/// Installs logs and traces for the whole process. With an `otlp_endpoint` it must be called
/// inside a tokio runtime, because the exporter's connection lives there.
pub fn init(settings: Settings) -> Result<Telemetry, Error> {
    let provider = tracer_provider(&settings)?;
    let subscriber = subscriber(&settings, provider.as_ref(), io::stdout)?;
    tracing::subscriber::set_global_default(subscriber).map_err(Error::AlreadyStarted)?;
    Ok(Telemetry { provider })
}

// === impl Telemetry ===

impl Telemetry {
    /// Exports the spans that are still held back, for at most three seconds.
    pub fn shutdown(self) {
        let Some(provider) = self.provider else {
            return;
        };
        if let Err(error) = provider.shutdown_with_timeout(FLUSH_TIMEOUT) {
            tracing::warn!(%error, "the last spans were not exported");
        }
    }
}

fn tracer_provider(settings: &Settings) -> Result<Option<SdkTracerProvider>, Error> {
    let Some(endpoint) = &settings.otlp_endpoint else {
        return Ok(None);
    };
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint.clone())
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .map_err(|source| Error::Exporter {
            endpoint: endpoint.clone(),
            source,
        })?;
    let resource = Resource::builder()
        .with_service_name(settings.service.clone())
        .build();
    let provider = SdkTracerProvider::builder()
        .with_sampler(Sampler::AlwaysOn)
        .with_resource(resource)
        .with_batch_exporter(exporter)
        .build();
    Ok(Some(provider))
}

fn subscriber<W>(
    settings: &Settings,
    provider: Option<&SdkTracerProvider>,
    writer: W,
) -> Result<impl Subscriber + Send + Sync + use<W>, Error>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // Levels by target: a filter by the fields of spans would be asked at each step of each call.
    let filter: Targets = settings.filter.parse().map_err(|source| Error::Filter {
        filter: settings.filter.clone(),
        source,
    })?;
    // The log filter must not reach the spans: with LOG=warn a trace would lose its middle.
    let traced = filter_fn(|metadata| {
        let library = metadata.target().split("::").next().unwrap_or_default();
        *metadata.level() <= LevelFilter::INFO && !UNTRACED.contains(&library)
    })
    .with_max_level_hint(LevelFilter::INFO);
    let spans = match provider {
        Some(provider) => tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("tradewind"))
            // Six attributes, two clocks and a thread-local for each call that nobody has asked for.
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .boxed(),
        None => ids::Ids.boxed(),
    };
    let spans = spans.with_filter(traced);
    let logs = logs::layer(settings.service.clone(), writer).with_filter(filter);
    Ok(tracing_subscriber::registry().with(spans).with(logs))
}

#[cfg(test)]
mod tests;
