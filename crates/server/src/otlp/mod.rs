//! Traces, metrics and logs for a collector (OTLP, protobuf over HTTP or gRPC), by the standard variables. They are sent by the
//! one outbound client, in batches, from threads of their own; a collector that is away costs nothing but what it would have got.

mod console;
pub(crate) mod grpc;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_http::{Bytes, HttpClient, HttpError};
use opentelemetry_otlp::Protocol::HttpBinary as Binary;
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use pid_integrations::fetch::{Fetcher, Limits, NamedBy, Request};
use tokio::runtime::Handle;
use tracing::{Metadata, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::registry::LookupSpan;

use crate::app;
use crate::config::Config;

/// How long a collector may take for a batch.
const TIME: Duration = Duration::from_secs(10);
/// What of its answer is read, bytes.
const ANSWER: usize = 1 << 20;

/// What the target of log lines begins with that are about the sending itself: they are not sent.
const OWN: &str = "opentelemetry";

/// How a collector is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Protobuf over HTTP.
    Http,
    /// gRPC.
    Grpc,
}

/// Where one kind of signal goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Signal {
    /// How.
    pub protocol: Protocol,
    /// The whole address.
    pub endpoint: String,
    /// What goes with each request; often a secret.
    pub headers: HashMap<String, String>,
}

/// Without what headers say.
impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Which signals go to collectors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Spans of requests.
    pub traces: Option<Signal>,
    /// What Prometheus would be told.
    pub metrics: Option<Signal>,
    /// Log lines.
    pub logs: Option<Signal>,
    /// Whether spans are written as log lines.
    pub traces_to_console: bool,
    /// Whether numbers are written as log lines.
    pub metrics_to_console: bool,
}

impl Wanted {
    /// Whether spans are made.
    #[must_use]
    pub fn has_traces(&self) -> bool {
        self.traces.is_some() || self.traces_to_console
    }

    /// Whether numbers are counted.
    #[must_use]
    pub fn has_metrics(&self) -> bool {
        self.metrics.is_some() || self.metrics_to_console
    }
}

/// The one outbound client, as exporters know it. They run on threads of their own, so requests go to the runtime.
#[derive(Clone)]
struct Client {
    fetcher: Fetcher,
    runtime: Handle,
    protocol: Protocol,
    /// What was wrong the last time; empty if nothing was.
    wrong: Arc<Mutex<String>>,
}

impl Client {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let limits = Limits { time: TIME, body: Some(ANSWER), redirects: 0 };
        let (method, url) = (head.method, head.uri.to_string());
        let request = Request { method, url, headers: head.headers, body, named_by: NamedBy::Admin, limits };
        let (fetcher, protocol) = (self.fetcher.clone(), self.protocol);
        let sent = self.runtime.spawn(async move {
            if protocol == Protocol::Grpc {
                return grpc::call(&fetcher, request).await;
            }
            let answer = fetcher.send(request).await?;
            let mut response = http::Response::new(answer.body);
            *response.status_mut() = answer.status;
            *response.headers_mut() = answer.headers;
            Ok(response)
        });
        sent.await?
    }

    /// Says when something begins to be wrong, and when it ends: not for each batch, and nothing of what the other side sent.
    fn tell(&self, to: &str, answer: &Result<http::Response<Bytes>, HttpError>) {
        let now = match answer {
            Ok(answer) if answer.status().is_success() => String::new(),
            Ok(answer) => match grpc::code(answer.headers()) {
                Some(code) => format!("it refuses with the gRPC status {code}"),
                None => format!("it answers {}", answer.status()),
            },
            Err(error) => error.to_string(),
        };
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if *wrong == now {
            return;
        }
        if now.is_empty() {
            tracing::info!(target: OWN, "the collector at {to} takes what it is sent again");
        } else {
            tracing::warn!(target: OWN, "the collector at {to} takes nothing: {now}");
        }
        *wrong = now;
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let to = request.uri().to_string();
        let answer = self.send(request).await;
        self.tell(&to, &answer);
        answer
    }
}

/// What sends, while the server runs.
#[derive(Default)]
pub struct Exporters {
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
    logs: Option<SdkLoggerProvider>,
}

/// A layer of the log.
type Boxed<S> = Box<dyn Layer<S> + Send + Sync>;

impl Exporters {
    /// Sets up what is wanted.
    ///
    /// # Errors
    /// A sentence: an address or a header that can't be.
    pub fn new(config: &Config, runtime: &Handle) -> Result<Self, String> {
        let fetcher = Fetcher::new(app::guard(config));
        let client = |protocol| {
            let (fetcher, runtime, wrong) = (fetcher.clone(), runtime.clone(), Arc::default());
            Client { fetcher, runtime, protocol, wrong }
        };
        let failed = |e: &dyn fmt::Display| format!("What goes to a collector can't be set up: {e}.");
        // After what OTEL_RESOURCE_ATTRIBUTES says, which is read here.
        let resource = || {
            let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
            Resource::builder().with_service_name("pocket-id").with_attribute(version).build()
        };
        let wanted = &config.otlp;
        let mut out = Self::default();
        if wanted.has_traces() {
            let mut provider = SdkTracerProvider::builder().with_resource(resource());
            if let Some(Signal { protocol, endpoint, headers }) = &wanted.traces {
                let exporter = SpanExporter::builder().with_http().with_http_client(client(*protocol));
                let exporter = exporter.with_protocol(Binary).with_endpoint(endpoint).with_headers(headers.clone());
                provider = provider.with_batch_exporter(exporter.build().map_err(|e| failed(&e))?);
            }
            if wanted.traces_to_console {
                provider = provider.with_batch_exporter(console::Spans);
            }
            out.traces = Some(provider.build());
        }
        if wanted.has_metrics() {
            let mut provider = SdkMeterProvider::builder().with_resource(resource());
            if let Some(Signal { protocol, endpoint, headers }) = &wanted.metrics {
                let exporter = MetricExporter::builder().with_http().with_http_client(client(*protocol));
                let exporter = exporter.with_protocol(Binary).with_endpoint(endpoint).with_headers(headers.clone());
                provider = provider.with_periodic_exporter(exporter.build().map_err(|e| failed(&e))?);
            }
            if wanted.metrics_to_console {
                provider = provider.with_periodic_exporter(console::Numbers);
            }
            let provider = provider.build();
            opentelemetry::global::set_meter_provider(provider.clone());
            out.metrics = Some(provider);
        }
        if let Some(Signal { protocol, endpoint, headers }) = &wanted.logs {
            let exporter = LogExporter::builder().with_http().with_http_client(client(*protocol));
            let exporter = exporter.with_protocol(Binary).with_endpoint(endpoint).with_headers(headers.clone());
            let exporter = exporter.build().map_err(|e| failed(&e))?;
            out.logs =
                Some(SdkLoggerProvider::builder().with_batch_exporter(exporter).with_resource(resource()).build());
        }
        Ok(out)
    }

    /// What makes spans of requests of the API and the protocol, and in them of transactions and of requests to others.
    pub fn spans<S>(&self) -> Option<Boxed<S>>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let tracer = self.traces.as_ref()?.tracer("pocket-id");
        // Its events are log lines, which go another way.
        let is_request = |metadata: &Metadata<'_>| {
            metadata.is_span() && ["exchange", "transaction", "outbound"].contains(&metadata.name())
        };
        Some(tracing_opentelemetry::layer().with_tracer(tracer).with_filter(filter_fn(is_request)).boxed())
    }

    /// What makes records of log lines.
    pub fn records<S>(&self, filter: Targets) -> Option<Boxed<S>>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let bridge = OpenTelemetryTracingBridge::new(self.logs.as_ref()?);
        // What the exporters themselves complain of would come back to them.
        let is_ours = |metadata: &Metadata<'_>| !metadata.target().starts_with(OWN);
        Some(bridge.with_filter(filter_fn(is_ours)).with_filter(filter).boxed())
    }

    /// Whether nothing is sent.
    #[must_use]
    pub fn are_none(&self) -> bool {
        self.traces.is_none() && self.metrics.is_none() && self.logs.is_none()
    }

    /// Sends what is left. A collector that doesn't answer is not waited for longer than it may take for a batch.
    pub fn end(self) {
        if let Some(traces) = self.traces {
            let _ = traces.shutdown();
        }
        if let Some(metrics) = self.metrics {
            let _ = metrics.shutdown();
        }
        if let Some(logs) = self.logs {
            let _ = logs.shutdown();
        }
    }
}

/// Headers as the propagator reads them.
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

/// W3C Trace Context: whoever is in front says of which trace a request is a part.
pub(crate) fn tie(span: &Span, headers: &HeaderMap) {
    if headers.contains_key("traceparent") {
        let _ = span.set_parent(TraceContextPropagator::new().extract(&Headers(headers)));
    }
}
