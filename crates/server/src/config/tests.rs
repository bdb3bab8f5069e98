use super::reader::dot_env;
use super::*;

fn read(pairs: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    Config::read(&pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
}

#[test]
fn nothing_set_is_a_good_configuration() {
    let c = read(&[]).unwrap();
    assert_eq!(c.app_url.origin, "http://localhost:1411");
    assert_eq!((c.port, c.audit_days, c.rate_limiting, c.allow_insecure_callbacks), (1411, 90, true, true));
    assert_eq!(c.database, Target::Sqlite("data/pocket-id.db".into()));
    assert_eq!(c.encryption_key, None);
    assert_eq!(read(&[("PORT", "")]).unwrap().port, 1411);
}

#[test]
fn bad_values_are_told_all_at_once() {
    let errors = read(&[
        ("APP_URL", "https://a/b"),
        ("PORT", "99999"),
        ("LOG_JSON", "yes"),
        ("TRUST_PROXY", "10.0.0.0/8, nonsense"),
        ("ENCRYPTION_KEY", "short"),
        ("STATIC_API_KEY", "short"),
        ("LOG_LEVEL", "loud"),
        ("TRUSTED_PLATFORM", "not a header"),
        ("HOST", "example.com"),
        ("DENIED_TARGETS", "10.0.0.0/8, nas.local"),
        ("LOCAL_IPV6_RANGES", "2001:db8::/48, 10.0.0.0/8"),
        ("GEOLITE_DB_URL", "downloads"),
    ])
    .unwrap_err();
    assert_eq!(errors.len(), 12, "{errors:#?}");
    assert!(errors.iter().all(|e| e.ends_with('.') && !e.contains("short\"")));
}

#[test]
fn what_does_nothing_is_told() {
    let env = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    assert!(notes(&env(&[("APP_ENV", "production"), ("PUID", "1000"), ("ACTORS_PORT", "")])).is_empty());
    let said = notes(&env(&[("ACTORS_PORT", "1"), ("DB_PATH", "x"), ("APP_NAME", "Club")]));
    assert_eq!(said.len(), 3, "{said:#?}");
    assert!(said[1].contains("DB_CONNECTION_STRING") && said[2].contains("APP_NAME"), "{said:#?}");
    assert!(notes(&env(&[("UI_CONFIG_DISABLED", "true"), ("APP_NAME", "Club")])).is_empty());
    let errors = read(&[("ALLOW_DOWNGRADE", "true")]).unwrap_err();
    assert!(errors[0].contains("before the upgrade"), "{errors:?}");
}

#[test]
fn files_are_read_and_the_encryption_key_keeps_its_newline() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    std::fs::write(&path, "0123456789abcdef\n").unwrap();
    let path = path.to_str().unwrap();
    let c = read(&[("ENCRYPTION_KEY_FILE", path), ("STATIC_API_KEY_FILE", path), ("STATIC_API_KEY", "direct value")])
        .unwrap();
    assert_eq!(c.encryption_key.as_deref(), Some(&b"0123456789abcdef\n"[..]));
    assert_eq!(c.static_api_key.as_deref(), Some("0123456789abcdef"));
    assert!(read(&[("ENCRYPTION_KEY_FILE", "/nonexistent/key")]).is_err());
}

#[test]
fn settings_come_from_the_environment_if_it_says_so() {
    assert!(read(&[("APP_NAME", "Club")]).unwrap().settings.is_none());
    let dir = tempfile::tempdir().unwrap();
    let password = dir.path().join("password");
    std::fs::write(&password, "secret\n").unwrap();
    let set = [
        ("UI_CONFIG_DISABLED", "true"),
        ("APP_NAME", "Club"),
        ("SIGNUP_DEFAULT_USER_GROUP_IDS", "[\"a\"]"),
        ("SMTP_PASSWORD_FILE", password.to_str().unwrap()),
    ];
    let settings = read(&set).unwrap().settings.unwrap();
    assert!(settings.are_fixed());
    assert_eq!((settings.app_name(), settings.get("smtpPassword")), ("Club", "secret"));
    assert_eq!((settings.default_group_ids(), settings.session_minutes()), (vec!["a".to_owned()], 60));
    let bad = [("UI_CONFIG_DISABLED", "true"), ("SMTP_TLS", "maybe"), ("HOME_PAGE_URL", "//evil"), ("PORT", "x")];
    let errors = read(&bad).unwrap_err();
    assert_eq!(errors.len(), 3, "{errors:#?}");
    assert!(errors.iter().any(|e| e == "SMTP_TLS must be one of: none, starttls, tls."), "{errors:#?}");
}

#[test]
fn places_are_downloaded_with_a_key_or_from_elsewhere() {
    assert_eq!(read(&[]).unwrap().places.url, None);
    let places = read(&[("MAXMIND_LICENSE_KEY", "a&b")]).unwrap().places;
    assert!(places.url.as_ref().unwrap().contains("&license_key=a%26b&"), "{:?}", places.url);
    assert!(!format!("{places:?}").contains("a%26b"), "{places:?}");
    let mirror = "https://mirror.example/city.mmdb";
    assert_eq!(read(&[("GEOLITE_DB_URL", mirror)]).unwrap().places.url.as_deref(), Some(mirror));
}

#[test]
fn pictures_go_where_it_is_said() {
    use pid_core::files::Place;
    let files = read(&[]).unwrap().files;
    assert!(files.backend.is_none() && files.s3.is_none() && files.folder == Path::new("data/uploads"), "{files:?}");
    let files = read(&[("FILE_BACKEND", "Filesystem"), ("UPLOAD_PATH", "/srv/pictures")]).unwrap().files;
    assert!(files.backend == Some(Place::Filesystem) && files.folder == Path::new("/srv/pictures"), "{files:?}");
    let bucket = [
        ("FILE_BACKEND", "s3"),
        ("UPLOAD_PATH", "id/"),
        ("S3_BUCKET", "b"),
        ("S3_REGION", "eu-1"),
        ("S3_ACCESS_KEY_ID", "k"),
        ("S3_SECRET_ACCESS_KEY", "very-secret"),
    ];
    let shown = format!("{:?}", read(&bucket).unwrap());
    assert!(
        shown.contains("prefix: \"id/\"") && shown.contains("data/uploads") && !shown.contains("very-secret"),
        "{shown}"
    );
    // With a prefix of its own the other one is the folder again.
    let both: Vec<(&str, &str)> =
        bucket.iter().copied().chain([("S3_PREFIX", "p"), ("UPLOAD_PATH", "/srv/pictures")]).collect();
    let shown = format!("{:?}", read(&both).unwrap().files);
    assert!(shown.contains("prefix: \"p/\"") && shown.contains("/srv/pictures"), "{shown}");
    for (bad, why) in [
        (&[("FILE_BACKEND", "ftp")][..], "FILE_BACKEND must be database, filesystem or s3, not \"ftp\"."),
        (&[("FILE_BACKEND", "s3")], "FILE_BACKEND is s3, so S3_BUCKET has to be set."),
        (&bucket[..4], "With S3_BUCKET, S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY have to be set."),
        (
            &[&bucket[2..3], &bucket[4..]].concat(),
            "With S3_BUCKET, S3_REGION has to be set, or S3_ENDPOINT of a server that knows no regions.",
        ),
    ] {
        assert_eq!(read(bad).unwrap_err(), [why], "{bad:?}");
    }
}

#[test]
fn proxies_are_lists_or_booleans() {
    assert_eq!(read(&[("TRUST_PROXY", "true")]).unwrap().trusted_proxies.len(), 2);
    assert_eq!(read(&[("TRUST_PROXY", "127.0.0.1, 10.0.0.0/8,::1")]).unwrap().trusted_proxies.len(), 3);
}

#[test]
fn dot_env_files() {
    let env = dot_env("# comment\nexport A=1\nB=\"two words\"\nC=three # note\nD='#4'\nnonsense\n");
    assert_eq!(env.get("A").map(String::as_str), Some("1"));
    assert_eq!(env.get("B").map(String::as_str), Some("two words"));
    assert_eq!(env.get("C").map(String::as_str), Some("three"));
    assert_eq!(env.get("D").map(String::as_str), Some("#4"));
    assert_eq!(env.len(), 4);
}

#[test]
fn the_documents_are_those_of_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let schema = format!("{}\n", crate::cli::config::schema());
    for (file, text) in
        [("docs/configuration.md", reference()), (".env.example", example()), ("docs/config.schema.json", schema)]
    {
        let path = root.join(file);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text, "{file}: run with UPDATE_DOCS=1");
    }
}

#[test]
fn a_collector_is_where_its_protocol_says() {
    let traces = |more: &[(&str, &str)]| {
        let all = [&[("OTEL_TRACES_EXPORTER", "console, otlp")][..], more].concat();
        let signal = read(&all).unwrap().otlp.traces.unwrap();
        (signal.protocol == crate::otlp::Protocol::Grpc, signal.endpoint)
    };
    let (all, own) = ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL");
    let at = "OTEL_EXPORTER_OTLP_ENDPOINT";
    let method = "opentelemetry.proto.collector.trace.v1.TraceService/Export";
    assert_eq!(traces(&[]), (false, "http://localhost:4318/v1/traces".to_owned()));
    assert_eq!(traces(&[(all, "grpc")]), (true, format!("http://localhost:4317/{method}")));
    assert_eq!(traces(&[(all, "grpc"), (own, "http/json")]), (false, "http://localhost:4318/v1/traces".to_owned()));
    assert_eq!(traces(&[(own, "grpc"), (at, "https://c:1/x?y")]), (true, format!("https://c:1/{method}")));
    assert_eq!(traces(&[(at, "https://c:1/x/")]), (false, "https://c:1/x/v1/traces".to_owned()));
    let read = read(&[("OTEL_TRACES_EXPORTER", "none"), ("OTEL_METRICS_EXPORTER", "console")]).unwrap().otlp;
    assert!(!read.has_traces() && read.has_metrics() && read.metrics.is_none());
}
