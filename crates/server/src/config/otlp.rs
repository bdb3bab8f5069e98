//! The standard variables of OpenTelemetry, as far as they say what is sent where.

use std::collections::HashMap;

use super::Reader;
use crate::otlp::{Signal, Wanted};

/// Where a collector of this machine listens.
const COLLECTOR: &str = "http://localhost:4318";

pub(super) fn otlp(r: &mut Reader<'_>) -> Wanted {
    let wanted = Wanted { traces: signal(r, "TRACES"), metrics: signal(r, "METRICS"), logs: signal(r, "LOGS") };
    let protocol = r.text("OTEL_EXPORTER_OTLP_PROTOCOL").unwrap_or_default();
    if wanted != Wanted::default() && protocol != "http/protobuf" {
        r.errors.push(format!(
            "OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf, not \"{protocol}\": collectors take that on port 4318."
        ));
    }
    wanted
}

/// Whether `otlp` is among a signal's exporters; several are parted by commas.
fn signal(r: &mut Reader<'_>, name: &str) -> Option<Signal> {
    let exporters = r.text(&format!("OTEL_{name}_EXPORTER")).unwrap_or_default();
    if !exporters.split(',').any(|one| one.trim() == "otlp") {
        return None;
    }
    // The address of a signal is whole; that of all of them is a beginning (OpenTelemetry Protocol Exporter).
    let base = r.text("OTEL_EXPORTER_OTLP_ENDPOINT").unwrap_or_else(|| COLLECTOR.to_owned());
    let endpoint = r.text(&format!("OTEL_EXPORTER_OTLP_{name}_ENDPOINT"));
    let endpoint = endpoint.unwrap_or_else(|| format!("{}/v1/{}", base.trim_end_matches('/'), name.to_lowercase()));
    if !url::Url::parse(&endpoint).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
        r.errors.push(format!("OTEL_EXPORTER_OTLP_ENDPOINT must be an http or https address, not \"{endpoint}\"."));
    }
    let text = r.text(&format!("OTEL_EXPORTER_OTLP_{name}_HEADERS")).or_else(|| r.text("OTEL_EXPORTER_OTLP_HEADERS"));
    let headers = headers(&text.unwrap_or_default()).unwrap_or_else(|| {
        // Not repeated: they are secrets often.
        r.errors.push("OTEL_EXPORTER_OTLP_HEADERS must be a list like \"name=value,other=value\".".to_owned());
        HashMap::new()
    });
    Some(Signal { endpoint, headers })
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
