//! The standard's exporter `console`: what a collector would be sent, as log lines.

use std::fmt::Display;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::OWN;

/// Spans, a line each.
#[derive(Debug)]
pub(super) struct Spans;

impl SpanExporter for Spans {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        for span in batch {
            let time = span.end_time.duration_since(span.start_time).unwrap_or_default();
            tracing::info!(
                target: OWN,
                trace = %span.span_context.trace_id(),
                span = %span.span_context.span_id(),
                parent = %span.parent_span_id,
                milliseconds = time.as_secs_f64() * 1000.0,
                "span {}{}",
                span.name,
                attributes(span.attributes.iter())
            );
        }
        Ok(())
    }
}

/// Numbers, a line each.
pub(super) struct Numbers;

impl PushMetricExporter for Numbers {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        for metric in metrics.scope_metrics().flat_map(|scope| scope.metrics()) {
            match metric.data() {
                AggregatedMetrics::F64(data) => tell(metric.name(), data),
                AggregatedMetrics::U64(data) => tell(metric.name(), data),
                AggregatedMetrics::I64(data) => tell(metric.name(), data),
            }
        }
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

fn tell<T: Copy + Display>(name: &str, data: &MetricData<T>) {
    let line = |of: String, value: String| tracing::info!(target: OWN, "metric {name}{of} {value}");
    match data {
        MetricData::Gauge(gauge) => {
            gauge.data_points().for_each(|point| line(attributes(point.attributes()), point.value().to_string()));
        }
        MetricData::Sum(sum) => {
            sum.data_points().for_each(|point| line(attributes(point.attributes()), point.value().to_string()));
        }
        MetricData::Histogram(histogram) => histogram.data_points().for_each(|point| {
            line(attributes(point.attributes()), format!("{} times, {} in sum", point.count(), point.sum()));
        }),
        MetricData::ExponentialHistogram(histogram) => histogram.data_points().for_each(|point| {
            line(attributes(point.attributes()), format!("{} times, {} in sum", point.count(), point.sum()));
        }),
    }
}

fn attributes<'a>(all: impl Iterator<Item = &'a KeyValue>) -> String {
    let pairs: Vec<String> = all.map(|pair| format!("{}={}", pair.key, pair.value)).collect();
    if pairs.is_empty() { String::new() } else { format!(" {{{}}}", pairs.join(", ")) }
}
