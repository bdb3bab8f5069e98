//! The standard variables of OpenTelemetry, as far as they say what is sent where.

use std::collections::HashMap;

use super::Reader;
use crate::otlp::{Protocol, Signal, Wanted, grpc};

/// Where a collector of this machine listens.
const COLLECTOR: &str = "http://localhost:4318";
/// The same, for gRPC.
const GRPC_COLLECTOR: &str = "http://localhost:4317";

pub(super) fn otlp(r: &mut Reader<'_>) -> Wanted {
    Wanted {
        traces: signal(r, "TRACES"),
        metrics: signal(r, "METRICS"),
        logs: signal(r, "LOGS"),
        traces_to_console: exports(r, "TRACES", "console"),
        metrics_to_console: exports(r, "METRICS", "console"),
    }
}

/// Whether something is among a signal's exporters; several are parted by commas.
fn exports(r: &mut Reader<'_>, name: &str, exporter: &str) -> bool {
    let exporters = r.text(&format!("OTEL_{name}_EXPORTER")).unwrap_or_default();
    exporters.split(',').any(|one| one.trim() == exporter)
}

fn signal(r: &mut Reader<'_>, name: &str) -> Option<Signal> {
    if !exports(r, name, "otlp") {
        return None;
    }
    let protocol = protocol(r, name);
    // The address of a signal is whole; that of all of them is a beginning (OpenTelemetry Protocol Exporter). With gRPC only
    // the host of either matters.
    let own = r.text(&format!("OTEL_EXPORTER_OTLP_{name}_ENDPOINT"));
    let base = r.text("OTEL_EXPORTER_OTLP_ENDPOINT");
    let endpoint = match protocol {
        Protocol::Grpc => own.or(base).unwrap_or_else(|| GRPC_COLLECTOR.to_owned()),
        Protocol::Http => own.unwrap_or_else(|| {
            let base = base.unwrap_or_else(|| COLLECTOR.to_owned());
            format!("{}/v1/{}", base.trim_end_matches('/'), name.to_lowercase())
        }),
    };
    let endpoint = match url::Url::parse(&endpoint) {
        Ok(mut url) if matches!(url.scheme(), "http" | "https") => {
            if protocol == Protocol::Grpc {
                url.set_path(&grpc::path(name));
                url.set_query(None);
            }
            url.to_string()
        }
        _ => {
            r.errors.push(format!("OTEL_EXPORTER_OTLP_ENDPOINT must be an http or https address, not \"{endpoint}\"."));
            endpoint
        }
    };
    let text = r.text(&format!("OTEL_EXPORTER_OTLP_{name}_HEADERS")).or_else(|| r.text("OTEL_EXPORTER_OTLP_HEADERS"));
    let headers = headers(&text.unwrap_or_default()).unwrap_or_else(|| {
        // Not repeated: they are secrets often.
        r.errors.push("OTEL_EXPORTER_OTLP_HEADERS must be a list like \"name=value,other=value\".".to_owned());
        HashMap::new()
    });
    Some(Signal { protocol, endpoint, headers })
}

fn protocol(r: &mut Reader<'_>, name: &str) -> Protocol {
    let own = format!("OTEL_EXPORTER_OTLP_{name}_PROTOCOL");
    let (name, text) = match r.text(&own) {
        Some(text) => (own, Some(text)),
        None => ("OTEL_EXPORTER_OTLP_PROTOCOL".to_owned(), r.text("OTEL_EXPORTER_OTLP_PROTOCOL")),
    };
    match text.as_deref().unwrap_or_default() {
        "grpc" => Protocol::Grpc,
        // Whoever takes JSON takes protobuf at the same address; a note says so.
        "http/protobuf" | "http/json" => Protocol::Http,
        other => {
            r.errors.push(format!("{name} must be http/protobuf or grpc, not \"{other}\"."));
            Protocol::Http
        }
    }
}

/// `name=value,…`, percent-encoded as in W3C Baggage.
fn headers(text: &str) -> Option<HashMap<String, String>> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let decoded = url::form_urlencoded::parse(format!("v={}", value.replace('+', "%2B")).as_bytes())
                .next()
                .map(|(_, value)| value.trim().to_owned())?;
            let name = name.trim().to_owned();
            let good = http::HeaderName::try_from(&name).is_ok() && http::HeaderValue::try_from(&decoded).is_ok();
            good.then_some((name, decoded))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_pairs() {
        let found = headers("authorization=Bearer%20a%2Cb, x-scope = a+b").unwrap();
        assert_eq!(found["authorization"], "Bearer a,b");
        assert_eq!(found["x-scope"], "a+b");
        assert!(headers("nonsense").is_none() && headers("a b=c").is_none() && headers("").unwrap().is_empty());
    }
}
