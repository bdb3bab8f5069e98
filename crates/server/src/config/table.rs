//! The table of the variables, and what is written from it: `docs/configuration.md`, `.env.example` and `--help`.

use pid_core::settings::SETTINGS;

/// One variable.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// The name.
    pub name: &'static str,
    /// What a value looks like.
    pub kind: &'static str,
    /// The value when nothing is set; empty: none.
    pub default: &'static str,
    /// Whether `NAME_FILE` may name a file with the value.
    pub file: bool,
    /// Whether the value is never shown.
    pub secret: bool,
    /// What it does.
    pub doc: &'static str,
}

const fn v(name: &'static str, kind: &'static str, default: &'static str, doc: &'static str) -> Variable {
    Variable { name, kind, default, file: false, secret: false, doc }
}

impl Variable {
    const fn secret_file(mut self) -> Self {
        self.file = true;
        self.secret = true;
        self
    }
}

/// Where MaxMind gives the database of places.
pub(super) const DOWNLOAD: &str =
    "https://download.maxmind.com/app/geoip_download?edition_id=GeoLite2-City&license_key=%s&suffix=tar.gz";

/// All variables.
pub const VARIABLES: &[Variable] = &[
    v("APP_URL", "URL", "http://localhost:1411", "The public address, without a path. Issuer, passkey host and base of all links."),
    v("INTERNAL_APP_URL", "URL", "", "Base of the addresses that servers (not browsers) call, in the discovery documents. Default: APP_URL."),
    v("HOST", "IP address", "0.0.0.0", "The address to listen on."),
    v("PORT", "number", "1411", "The port to listen on."),
    v("UNIX_SOCKET", "path", "", "A socket of the file system to listen on instead. One that was left over is removed."),
    v("UNIX_SOCKET_MODE", "octal number", "", "Its permissions, like 0660."),
    v("SYSTEMD_SOCKET", "boolean", "false", "Listens on the one socket that systemd hands over instead (socket activation)."),
    v("PROXY_PROTOCOL", "boolean or list of addresses and CIDRs", "false", "Which peers say by the PROXY protocol (v1, v2) who connects. They have to, and nobody else may connect but this machine. true: all."),
    v("TLS_CERT", "PEM", "", "A certificate with its chain: the server speaks TLS 1.3 itself. TLS_CERT_FILE names a file instead, which is read again when it changes."),
    v("TLS_KEY", "PEM", "", "Its key. TLS_KEY_FILE names a file instead."),
    v("SHUTDOWN_DELAY_SECONDS", "number", "0", "Behind a proxy that asks /readyz: how long the server says that it is not ready, and serves on, before it stops. A little more than the proxy needs to notice."),
    v("ENCRYPTION_KEY", "at least 16 bytes", "", "Encrypts private keys at rest. With a new SQLite database a key file is made if this is not set; otherwise it must be set. A file is read as raw bytes, newline included.").secret_file(),
    v("DB_CONNECTION_STRING", "path or postgres:// URL", "data/pocket-id.db", "Where the data is: an SQLite file, or PostgreSQL 15 and later. Parameters of a postgres:// URL: `sslmode` (disable, prefer, require, verify-ca, verify-full), `sslrootcert` (a file, or system), `prepare=false` for poolers in transaction mode.").secret_file(),
    v("STATIC_API_KEY", "at least 16 characters", "", "An API key with the rights of an administrator, for scripts.").secret_file(),
    v("UI_CONFIG_DISABLED", "boolean", "false", "Whether the application configuration comes from the variables below and can't be changed by page or API."),
    v("LOG_LEVEL", "debug, info, warn or error", "info", "How much is logged."),
    v("LOG_JSON", "boolean", "false", "Whether log lines are JSON."),
    v("TRUST_PROXY", "boolean or list of addresses and CIDRs", "false", "Which peers may name the client's address in X-Forwarded-For and X-Real-IP. true: all."),
    v("FORWARD_AUTH_SECRET", "at least 16 characters", "", "What a proxy sends in X-Forward-Auth-Secret to ask whether requests to an app may pass. Peers in TRUST_PROXY need none.").secret_file(),
    v("TRUSTED_PLATFORM", "header name", "", "A header that names the client's address and wins, like CF-Connecting-IP."),
    v("ALLOW_INSECURE_CALLBACK_URLS", "boolean", "true", "Whether http callback URLs are accepted beyond the own machine."),
    v("DISABLE_RATE_LIMITING", "boolean", "false", "Turns off all limits, those against guessing included."),
    v("ALLOWED_PRIVATE_TARGETS", "list of addresses and CIDRs", "", "Addresses that the server may call although they are private and somebody other than an administrator named them (or though they are link-local)."),
    v("DENIED_TARGETS", "list of addresses and CIDRs", "", "Addresses that the server never calls, whoever named them. Stronger than ALLOWED_PRIVATE_TARGETS."),
    v("LOCAL_IPV6_RANGES", "list of IPv6 CIDRs", "", "Public IPv6 networks of your own: LAN in the audit log, and like private addresses nobody but an administrator may name one that the server calls."),
    v("MAXMIND_LICENSE_KEY", "text", "", "With it the database of places for the audit log is downloaded from MaxMind, and again every two weeks. It is held in memory, some 60 MB.").secret_file(),
    v("GEOLITE_DB_PATH", "path", "data/GeoLite2-City.mmdb", "The database of places. A file that you put there, in MaxMind's format, is used as well, and read again when it changes."),
    v("GEOLITE_DB_URL", "URL", DOWNLOAD, "Where it is downloaded from: a .tar.gz with an .mmdb file, or such a file itself. %s stands for the licence key."),
    v("DB_MAX_CONNECTIONS", "number", "10", "PostgreSQL: how many connections this process holds at most."),
    v("FILE_BACKEND", "database, filesystem or s3", "database", "Where uploaded pictures go. What was uploaded before stays where it is, and is read there, until `pocket-id files copy`. (Pocket ID's default is filesystem; here all replicas have what is in the database.)"),
    v("UPLOAD_PATH", "folder, or prefix in a bucket", "", "Where pictures on disk are; default data/uploads. With FILE_BACKEND=s3 and no S3_PREFIX: what keys in the bucket begin with."),
    v("S3_BUCKET", "name", "", "The bucket. Set it also while pictures are still there although new ones go elsewhere."),
    v("S3_PREFIX", "path", "", "What keys in the bucket begin with."),
    v("S3_REGION", "name", "", "Its region. With S3_ENDPOINT it may be missing: us-east-1."),
    v("S3_ENDPOINT", "URL", "", "The server that speaks S3. Default: Amazon's of the region."),
    v("S3_ACCESS_KEY_ID", "text", "", "Who may use the bucket: reading, writing and deleting objects."),
    v("S3_SECRET_ACCESS_KEY", "text", "", "Their secret.").secret_file(),
    v("S3_FORCE_PATH_STYLE", "boolean", "false", "Whether the bucket is in the path of addresses, not in their host."),
    v("S3_DISABLE_DEFAULT_INTEGRITY_CHECKS", "boolean", "false", "Whether no checksum is sent with what is stored, for servers that don't know it. What is read is always checked."),
    v("BACKUP_PATH", "folder", "", "Where backups are made by the clock. Without it none are."),
    v("BACKUP_INTERVAL_HOURS", "number", "24", "Hours from one backup to the next."),
    v("BACKUP_KEEP", "number", "14", "How many backups are kept there; older ones are removed."),
    v("BACKUP_PASSPHRASE", "at least 12 characters", "", "Seals backups, and opens them for pocket-id restore. Keep it elsewhere, too.").secret_file(),
    v("OTEL_TRACES_EXPORTER", "list of otlp, console, none", "none", "otlp: a collector gets spans of requests of the API and the protocol. console: each is a log line. A request's `traceparent` is taken over."),
    v("OTEL_METRICS_EXPORTER", "list of prometheus, otlp, console, none", "none", "prometheus: numbers are offered on a listener of their own, at /metrics. otlp: a collector gets them. console: they are log lines, every minute."),
    v("OTEL_LOGS_EXPORTER", "list of otlp, console, none", "none", "otlp: a collector gets the log, besides standard output. console: standard output has it in any case."),
    v("OTEL_EXPORTER_OTLP_ENDPOINT", "URL", "", "The collector; /v1/traces, /v1/metrics and /v1/logs are added, but not with gRPC. Default: http://localhost:4318, with gRPC http://localhost:4317."),
    v("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "URL", "", "Another one for traces, whole."),
    v("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "URL", "", "Another one for metrics, whole."),
    v("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "URL", "", "Another one for logs, whole."),
    v("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf or grpc", "http/protobuf", "How it is spoken to. (http/json is spoken to by http/protobuf.)"),
    v("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf or grpc", "", "The same for traces, instead."),
    v("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/protobuf or grpc", "", "The same for metrics, instead."),
    v("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "http/protobuf or grpc", "", "The same for logs, instead."),
    v("OTEL_EXPORTER_OTLP_HEADERS", "name=value,…", "", "What goes with each request to it. Percent-encoded.").secret_file(),
    v("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "name=value,…", "", "The same for traces, instead.").secret_file(),
    v("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "name=value,…", "", "The same for metrics, instead.").secret_file(),
    v("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "name=value,…", "", "The same for logs, instead.").secret_file(),
    v("OTEL_EXPORTER_PROMETHEUS_HOST", "IP address", "localhost", "Where."),
    v("OTEL_EXPORTER_PROMETHEUS_PORT", "number", "9464", "On which port."),
    v("AUDIT_LOG_RETENTION_DAYS", "number", "90", "How long audit entries are kept."),
];

/// `docs/configuration.md`.
pub fn reference() -> String {
    let mut out = String::from(
        "# Configuration\n\nThe server is configured by environment variables. A file `.env` in the working directory is read first; the real \
         environment wins over it. A variable that is set but empty counts as not set. Where a file is possible, `NAME_FILE` names a file \
         with the value. Bad values end the start with one sentence each, all at once.\n\n\
         This page is generated from the table in `crates/server/src/config/table.rs`.\n\n\
         | Variable | Value | Default | File | Meaning |\n|---|---|---|---|---|\n",
    );
    for v in VARIABLES {
        let default = if v.default.is_empty() { "–".to_owned() } else { format!("`{}`", v.default) };
        let file = if v.file { "yes" } else { "–" };
        out.push_str(&format!("| `{}` | {} | {default} | {file} | {} |\n", v.name, v.kind, v.doc));
    }
    out.push_str(
        "\n## Application configuration\n\nWhat administrators set under *Application Configuration* comes from these variables instead where \
         `UI_CONFIG_DISABLED` is true; one that is not set has its default then. What was set before waits until the switch is off again.\n\n\
         | Variable | Setting | Value | Default | File |\n|---|---|---|---|---|\n",
    );
    for s in SETTINGS {
        let default = if s.default.is_empty() { "–".to_owned() } else { format!("`{}`", s.default) };
        let file = if s.secret { "yes" } else { "–" };
        out.push_str(&format!("| `{}` | `{}` | {} | {default} | {file} |\n", s.variable(), s.key, s.type_name()));
    }
    out
}

/// `.env.example`.
pub fn example() -> String {
    let mut out = String::from("# Copy to .env and uncomment what you need. docs/configuration.md says more.\n");
    for v in VARIABLES {
        out.push_str(&format!("\n# {}\n#{}={}\n", v.doc, v.name, v.default));
    }
    out
}

/// The variables for `--help`.
pub fn help() -> String {
    let width = VARIABLES.iter().map(|v| v.name.len()).max().unwrap_or(0);
    let mut out = String::from("Environment:\n");
    for v in VARIABLES {
        let default = if v.default.is_empty() { String::new() } else { format!(" [default: {}]", v.default) };
        out.push_str(&format!("  {:width$}  {}{default}\n", v.name, v.doc));
    }
    out
}
