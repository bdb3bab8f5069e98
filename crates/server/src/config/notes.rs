//! What is set and means nothing here, or not what somebody may think.

use std::collections::BTreeMap;

use pid_core::settings::SETTINGS;

use super::reader::boolean;

/// Variables of Pocket ID that are accepted and mean nothing here, and why.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("APP_ENV", ""),
    ("ANALYTICS_DISABLED", ""),
    ("PUID", ""),
    ("PGID", ""),
    ("ACTORS_HOST", "there are no actors that need a port"),
    ("ACTORS_PORT", "there are no actors that need a port"),
    ("VERSION_CHECK_DISABLED", ""),
    ("LOG_QUERY_ARGS", "values of statements are never logged"),
];

/// Variables of older versions of Pocket ID, and what they are called now.
const RENAMED: &[(&str, &str)] = &[
    ("PUBLIC_APP_URL", "APP_URL"),
    ("PUBLIC_UI_CONFIG_DISABLED", "UI_CONFIG_DISABLED"),
    ("BACKEND_PORT", "PORT"),
    ("CADDY_PORT", "PORT"),
    ("DB_PATH", "DB_CONNECTION_STRING"),
    ("SQLITE_DB_PATH", "DB_CONNECTION_STRING"),
    ("POSTGRES_CONNECTION_STRING", "DB_CONNECTION_STRING"),
    ("LDAP_ATTRIBUTE_ADMIN_GROUP", "LDAP_ADMIN_GROUP_NAME"),
];

/// What is set and does not do what somebody may think: one sentence each.
pub fn notes(env: &BTreeMap<String, String>) -> Vec<String> {
    let set = |name: &str| env.get(name).is_some_and(|value| !value.is_empty());
    let mut out = Vec::new();
    for (name, why) in WITHOUT_EFFECT.iter().filter(|(name, why)| !why.is_empty() && set(name)) {
        out.push(format!("{name} has no effect: {why}."));
    }
    for (name, known) in [
        ("OTEL_TRACES_EXPORTER", &["otlp", "console"][..]),
        ("OTEL_METRICS_EXPORTER", &["otlp", "prometheus", "console"]),
        ("OTEL_LOGS_EXPORTER", &["otlp", "console"]),
    ] {
        let values = env.get(name).map(String::as_str).unwrap_or_default().split(',').map(str::trim);
        for value in values.filter(|value| !value.is_empty() && *value != "none" && !known.contains(value)) {
            out.push(format!("{name}={value} has no effect: known are none, {}.", known.join(", ")));
        }
    }
    for name in ["", "TRACES_", "METRICS_", "LOGS_"].map(|signal| format!("OTEL_EXPORTER_OTLP_{signal}PROTOCOL")) {
        if env.get(&name).is_some_and(|value| value == "http/json") {
            out.push(format!("{name}=http/json: http/protobuf is spoken, which collectors take at the same address."));
        }
    }
    for (old, new) in RENAMED.iter().filter(|(old, _)| set(old)) {
        out.push(format!("{old} has no effect: it is called {new} now."));
    }
    if !set("UI_CONFIG_DISABLED") || boolean(&env["UI_CONFIG_DISABLED"]) == Some(false) {
        let ignored: Vec<String> = SETTINGS.iter().map(|s| s.variable()).filter(|name| set(name)).collect();
        if !ignored.is_empty() {
            out.push(format!("Without UI_CONFIG_DISABLED=true these have no effect: {}.", ignored.join(", ")));
        }
    }
    out
}
