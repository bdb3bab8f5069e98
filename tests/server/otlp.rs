//! Traces, metrics and logs for a collector: one that decodes them by the standard's own types, one that speaks gRPC by the library
//! that clients of collectors are made with, and one that is away.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use http::HeaderMap;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::json;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

use crate::program::Program;

#[derive(Default)]
struct Got {
    traces: Vec<ExportTraceServiceRequest>,
    metrics: Vec<ExportMetricsServiceRequest>,
    logs: Vec<ExportLogsServiceRequest>,
    headers: Vec<HeaderMap>,
}

type Shared = Arc<Mutex<Got>>;

async fn collector() -> (Shared, String) {
    let got = Shared::default();
    let router = Router::new()
        .route(
            "/v1/traces",
            post(|State(got): State<Shared>, headers: HeaderMap, body: Bytes| async move {
                let mut got = got.lock().unwrap();
                got.traces.push(ExportTraceServiceRequest::decode(body).unwrap());
                got.headers.push(headers);
            }),
        )
        .route(
            "/v1/metrics",
            post(|State(got): State<Shared>, headers: HeaderMap, body: Bytes| async move {
                let mut got = got.lock().unwrap();
                got.metrics.push(ExportMetricsServiceRequest::decode(body).unwrap());
                got.headers.push(headers);
            }),
        )
        .route(
            "/v1/logs",
            post(|State(got): State<Shared>, headers: HeaderMap, body: Bytes| async move {
                let mut got = got.lock().unwrap();
                got.logs.push(ExportLogsServiceRequest::decode(body).unwrap());
                got.headers.push(headers);
            }),
        )
        .with_state(got.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (got, url)
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|attribute| attribute.value.clone()?.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_gets_spans_numbers_and_log_lines() {
    let (got, url) = collector().await;
    let mut program = Program::configured()
        .with("OTEL_TRACES_EXPORTER", "otlp")
        .with("OTEL_METRICS_EXPORTER", "prometheus,otlp")
        .with("OTEL_EXPORTER_PROMETHEUS_PORT", "0")
        .with("OTEL_LOGS_EXPORTER", "otlp")
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &url)
        .with("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20collector-token")
        .with("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=staging")
        .with("OTEL_SERVICE_NAME", "another")
        .with("OTEL_METRIC_EXPORT_INTERVAL", "200")
        // Spans are made whatever is logged.
        .with("LOG_LEVEL", "warn");
    program.start().await;
    program.ready().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traced = program.script().with_header("traceparent", &format!("00-{trace}-00f067aa0ba902b7-01"));
    traced.get("/api/users?search=somebody").await.expect(200);
    program.agent().get("/api/users/00000000-0000-4000-8000-000000000001").await.expect(401);
    program.agent().get("/login").await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", "secret-of-somebody"), ("client_id", "x")];
    program.agent().post_form("/api/oidc/token", &form).await;
    program.agent().post("/api/one-time-access-token/s3cretc0de", &json!({})).await;
    for _ in 0..1000 {
        let has_key = format!("{:?}", got.lock().unwrap().metrics).contains("pocket_id.signing_key.age");
        if has_key {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // What is left is sent before it ends.
    let log = program.stop();
    assert!(!log.contains("collector-token"), "{log}");
    let got = got.lock().unwrap();
    assert!(got.headers.iter().all(|headers| headers["authorization"] == "Bearer collector-token"));

    let resources = got.traces.iter().flat_map(|request| &request.resource_spans);
    let resource = resources.clone().next().unwrap().resource.clone().unwrap();
    assert_eq!(text(&resource.attributes, "service.name"), "pocket-id");
    assert_eq!(text(&resource.attributes, "service.version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(text(&resource.attributes, "deployment.environment.name"), "staging");
    let spans: Vec<&Span> = resources.flat_map(|r| &r.scope_spans).flat_map(|scope| &scope.spans).collect();
    let named =
        |name: &str| *spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name}: {spans:#?}"));
    let users = named("GET /api/users");
    let hex: String = users.trace_id.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((hex.as_str(), users.kind), (trace, 2), "a part of who asked, and a server's");
    assert_eq!(text(&users.attributes, "http.response.status_code"), "200");
    assert_eq!(text(&users.attributes, "http.route"), "/api/users");
    assert_eq!(text(&named("GET /api/users/{id}").attributes, "http.response.status_code"), "401");
    // What it cost is a part of it; nothing else is made of transactions.
    let parts: Vec<&&Span> = spans.iter().filter(|span| span.name == "read" || span.name == "write").collect();
    assert!(parts.iter().any(|part| part.parent_span_id == users.span_id), "{spans:#?}");
    assert!(parts.iter().all(|part| !part.parent_span_id.is_empty()));
    assert!(spans.iter().all(|span| !span.name.contains("/login") && !span.name.contains("healthz")));
    let all = format!("{spans:?}");
    for secret in ["secret-of-somebody", "s3cretc0de", "somebody", "test-api-key"] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }

    let metrics = got.metrics.iter().flat_map(|request| &request.resource_metrics).flat_map(|r| &r.scope_metrics);
    let metrics: Vec<_> = metrics.flat_map(|scope| &scope.metrics).collect();
    for name in [
        "http.server.request.duration",
        "pocket_id.token_requests",
        "pocket_id.database.up",
        "pocket_id.database.wait",
        "pocket_id.database.transactions",
        "pocket_id.signing_key.age",
    ] {
        assert!(metrics.iter().any(|metric| metric.name == name), "{name}: {metrics:#?}");
    }
    let refused =
        metrics.iter().filter(|metric| metric.name == "pocket_id.token_requests").any(|metric| match &metric.data {
            Some(Data::Sum(sum)) => {
                sum.data_points.iter().any(|point| text(&point.attributes, "outcome") == "invalid_client")
            }
            _ => false,
        });
    assert!(refused, "{metrics:#?}");

    let records = got.logs.iter().flat_map(|request| &request.resource_logs).flat_map(|r| &r.scope_logs);
    let records: Vec<_> = records.flat_map(|scope| &scope.log_records).collect();
    // At this level nothing has been said but warnings; there may be none.
    assert!(records.iter().all(|record| record.severity_number >= 13), "{records:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_lines_reach_a_collector() {
    let (got, url) = collector().await;
    let mut program = Program::configured()
        .with("OTEL_LOGS_EXPORTER", "otlp")
        .with("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", format!("{url}/v1/logs"));
    program.start().await;
    program.ready().await;
    let log = program.stop();
    assert!(log.contains("stopping"), "standard output has them as well: {log}");
    let got = got.lock().unwrap();
    assert!(got.traces.is_empty() && got.metrics.is_empty());
    let all = format!("{:?}", got.logs);
    for line in ["listening", "stopping"] {
        assert!(all.contains(line), "{line}: {all}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_holds_nothing_up() {
    let mut program = Program::configured()
        .with("OTEL_TRACES_EXPORTER", "otlp")
        .with("OTEL_METRICS_EXPORTER", "otlp")
        .with("OTEL_LOGS_EXPORTER", "otlp")
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
    program.start().await;
    program.ready().await;
    program.script().get("/api/users").await.expect(200);
    let began = std::time::Instant::now();
    program.stop();
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    // What can't be is said at the start.
    program.set("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    program.set("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "pigeon");
    program.set("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317");
    let said = program.refuses();
    assert!(said.contains("LOGS_PROTOCOL must be http/protobuf or grpc"), "{said}");
    assert!(said.contains("must be an http or https address"), "{said}");
}

/// A collector's three services.
#[derive(Clone)]
struct Collector {
    got: Shared,
    /// Takes spans alone.
    is_strict: bool,
}

impl Collector {
    fn take<T, A: Default>(&self, request: Request<T>, keep: fn(&mut Got, T)) -> Result<Response<A>, Status> {
        let (metadata, _, message) = request.into_parts();
        let mut got = self.got.lock().unwrap();
        got.headers.push(metadata.into_headers());
        keep(&mut got, message);
        Ok(Response::new(A::default()))
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.take(request, |got, message| got.traces.push(message))
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        if self.is_strict {
            return Err(Status::permission_denied("collector-token is not good for this"));
        }
        self.take(request, |got, message| got.metrics.push(message))
    }
}

#[tonic::async_trait]
impl LogsService for Collector {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.take(request, |got, message| got.logs.push(message))
    }
}

/// Starts one, with a certificate or without, and gives its port.
async fn grpc_collector(is_strict: bool, identity: Option<Identity>) -> (Shared, u16) {
    let got = Shared::default();
    let collector = Collector { got: got.clone(), is_strict };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut server = Server::builder();
    if let Some(identity) = identity {
        server = server.tls_config(ServerTlsConfig::new().identity(identity)).unwrap();
    }
    let server = server
        .add_service(TraceServiceServer::new(collector.clone()).accept_compressed(Gzip))
        .add_service(MetricsServiceServer::new(collector.clone()).accept_compressed(Gzip))
        .add_service(LogsServiceServer::new(collector).accept_compressed(Gzip));
    tokio::spawn(async move { server.serve_with_incoming(TcpIncoming::from(listener)).await.unwrap() });
    (got, port)
}

/// Until something is there that is sent by the clock.
async fn until(what: impl Fn() -> bool) {
    for _ in 0..1500 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it doesn't come");
}

/// All three signals, as they are and packed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_is_spoken_to_by_grpc() {
    for compression in ["none", "gzip"] {
        let (got, port) = grpc_collector(false, None).await;
        let mut program = Program::configured()
            .with("OTEL_TRACES_EXPORTER", "otlp")
            .with("OTEL_METRICS_EXPORTER", "otlp")
            .with("OTEL_LOGS_EXPORTER", "console,otlp")
            .with("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
            .with("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://localhost:{port}"))
            .with("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20collector-token")
            .with("OTEL_EXPORTER_OTLP_COMPRESSION", compression)
            .with("OTEL_METRIC_EXPORT_INTERVAL", "200");
        program.start().await;
        program.ready().await;
        program.script().get("/api/users").await.expect(200);
        until(|| format!("{:?}", got.lock().unwrap().metrics).contains("http.server.request.duration")).await;
        let log = program.stop();
        assert!(!log.contains("collector-token") && !log.contains("takes nothing"), "{log}");
        let got = got.lock().unwrap();
        for headers in &got.headers {
            assert_eq!(headers["authorization"], "Bearer collector-token");
            assert_eq!(headers.get("grpc-encoding").is_some_and(|name| name == "gzip"), compression == "gzip");
        }
        assert!(format!("{:?}", got.traces).contains("GET /api/users"));
        assert!(format!("{:?}", got.logs).contains("listening"));
    }
}

/// By TLS, where both sides have to agree to HTTP/2; and what it refuses is told once and loses nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_with_a_certificate_may_refuse() {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let identity = Identity::from_pem(key.cert.pem(), key.signing_key.serialize_pem());
    let (got, port) = grpc_collector(true, Some(identity)).await;
    let mut program = Program::configured()
        .with("OTEL_TRACES_EXPORTER", "otlp")
        .with("OTEL_METRICS_EXPORTER", "otlp")
        .with("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc")
        .with("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", format!("https://localhost:{port}/whatever"))
        .with("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc")
        .with("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", format!("https://localhost:{port}"))
        .with("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-scope=ours")
        .with("OTEL_METRIC_EXPORT_INTERVAL", "100");
    let certificate = program.dir().join("certificate.pem");
    std::fs::write(&certificate, key.cert.pem()).unwrap();
    program.set("SSL_CERT_FILE", certificate.to_str().unwrap());
    program.start().await;
    program.ready().await;
    program.script().get("/api/users").await.expect(200);
    until(|| program.log().contains("it refuses with the gRPC status 7")).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let log = program.stop();
    assert_eq!(log.matches("takes nothing").count(), 1, "{log}");
    assert!(!log.contains("collector-token"), "what the other side says is not repeated: {log}");
    let got = got.lock().unwrap();
    assert!(format!("{:?}", got.traces).contains("GET /api/users") && got.metrics.is_empty());
    assert!(got.headers.iter().all(|headers| headers["x-scope"] == "ours"));
}

/// Where the server may not call, gRPC does not lead either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guard_holds_for_grpc() {
    let (got, port) = grpc_collector(false, None).await;
    let mut program = Program::configured()
        .with("OTEL_LOGS_EXPORTER", "otlp")
        .with("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://localhost:{port}"))
        .with("DENIED_TARGETS", "127.0.0.0/8,::1");
    program.start().await;
    program.ready().await;
    let log = program.stop();
    assert!(log.contains("this address must not be called from here"), "{log}");
    assert!(got.lock().unwrap().logs.is_empty());
}

/// The standard's third exporter, alone and in a list.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_be_sent_may_be_lines() {
    let mut program = Program::configured()
        .with("OTEL_TRACES_EXPORTER", "console")
        .with("OTEL_METRICS_EXPORTER", "prometheus, console")
        .with("OTEL_EXPORTER_PROMETHEUS_PORT", "0")
        .with("OTEL_LOGS_EXPORTER", "console")
        .with("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
        .with("OTEL_METRIC_EXPORT_INTERVAL", "200");
    program.start().await;
    program.ready().await;
    program.script().get("/api/users?search=somebody").await.expect(200);
    until(|| program.log().contains("metric http.server.request.duration")).await;
    let log = program.stop();
    assert!(log.contains("span GET /api/users {") && log.contains("http.response.status_code=200"), "{log}");
    assert!(log.contains("metric pocket_id.database.up 1") && !log.contains("somebody"), "{log}");
    assert!(!log.contains("has no effect") && log.contains("http/protobuf is spoken"), "{log}");
}
