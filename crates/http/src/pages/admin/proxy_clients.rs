//! Clients of the type `proxy`: apps without OpenID behind a reverse proxy.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use pid_core::clients::Client;
use pid_core::forward_auth::{ForwardAuth, Rule, SIGN_OUT_PATH};
use pid_core::ids::client_id_to_path;

use super::Choices;
use super::client_diagnoses::{DiagnosisView, RemedyView};
use super::oidc_clients::Audience;
use crate::pages::interaction::ClientView;
use crate::pages::{Layout, key, page};
use crate::state::App;

/// A reverse proxy with what its configuration has to say. The texts are those of `docs/guides/reverse-proxies.md`, which a
/// test runs.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The proxy's name.
    pub name: &'static str,
    /// Part of the ids of its elements.
    pub id: &'static str,
    /// The file, if its name matters.
    pub file: &'static str,
    /// Its text, about `app.example.com` and `pocket-id:1411`.
    pub text: &'static str,
}

/// All that we know.
pub const SAMPLES: [Sample; 6] = [
    Sample { name: "Caddy", id: "caddy", file: "Caddyfile", text: include_str!("../../../data/proxies/caddy.txt") },
    Sample { name: "Traefik", id: "traefik", file: "", text: include_str!("../../../data/proxies/traefik.txt") },
    Sample { name: "nginx", id: "nginx", file: "", text: include_str!("../../../data/proxies/nginx.txt") },
    Sample {
        name: "HAProxy",
        id: "haproxy",
        file: "haproxy.cfg",
        text: include_str!("../../../data/proxies/haproxy.txt"),
    },
    Sample {
        name: "HAProxy",
        id: "haproxy-lua",
        file: "pocket-id.lua",
        text: include_str!("../../../data/proxies/haproxy-lua.txt"),
    },
    Sample { name: "Envoy", id: "envoy", file: "", text: include_str!("../../../data/proxies/envoy.txt") },
];

/// `/settings/admin/oidc-clients/{id}` for a client of this type.
#[derive(Debug, Template)]
#[template(path = "admin/proxy_client.html")]
pub struct ProxyClientPage {
    /// What every page needs.
    pub layout: Layout,
    /// The version of the record, sent as `If-Match`.
    pub version: i64,
    /// Its id as a part of a path.
    pub path: String,
    /// How people see it.
    pub client: ClientView,
    /// The client as it is stored.
    pub stored: Client,
    /// How it is protected.
    pub protection: ForwardAuth,
    /// Who may sign in.
    pub audience: Audience,
    /// All groups.
    pub groups: Choices,
    /// Where the proxy reaches us: host and port.
    pub upstream: String,
    /// Why sign-ins failed, the latest first.
    pub faults: Vec<DiagnosisView>,
    /// What it may miss although sign-ins go well.
    pub observations: Vec<DiagnosisView>,
}

impl ProxyClientPage {
    /// The page.
    pub fn answer(
        app: &App,
        layout: Layout,
        stored: Client,
        protection: ForwardAuth,
        audience: Audience,
        groups: Choices,
        client: ClientView,
        (faults, observations): (Vec<DiagnosisView>, Vec<DiagnosisView>),
    ) -> Response {
        let internal = &app.env().internal_url;
        let upstream = match url::Url::parse(internal) {
            Ok(url) => format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(80)),
            Err(_) => internal.clone(),
        };
        let view = Self {
            version: stored.version,
            path: client_id_to_path(&stored.id),
            client,
            protection,
            audience,
            groups,
            upstream,
            faults,
            observations,
            stored,
            layout,
        };
        page(StatusCode::OK, &view)
    }

    /// The configurations, about this app.
    fn samples(&self) -> Vec<(Sample, String)> {
        let host = self
            .protection
            .hosts
            .first()
            .map_or("app.example.com", |host| host.split_once("://").map_or(host.as_str(), |(_, host)| host));
        let p = &self.protection;
        let mut names = vec![
            (p.user_header.as_str(), "Remote-User"),
            (p.email_header.as_str(), "Remote-Email"),
            (p.name_header.as_str(), "Remote-Name"),
            (p.groups_header.as_str(), "Remote-Groups"),
        ];
        names.retain(|(own, usual)| !own.is_empty() && own != usual);
        if !p.assertion_header.is_empty() {
            names.push((p.assertion_header.as_str(), ""));
        }
        let is_plain = p.hosts.first().is_some_and(|host| host.starts_with("http://"));
        let about = |text: &str| {
            // Caddy would take a bare name for one with TLS.
            let site = if is_plain { format!("http://{host} {{") } else { format!("{host} {{") };
            let text = text.replace("app.example.com {", &site).replace("app.example.com", host);
            with_names(&text.replace("pocket-id:1411", &self.upstream), &names)
        };
        SAMPLES.into_iter().map(|sample| (sample, about(sample.text))).collect()
    }

    fn sign_out_url(&self) -> String {
        format!("{}{SIGN_OUT_PATH}", self.protection.hosts.first().map_or("", String::as_str))
    }

    /// What a new row begins with.
    fn blank_rule(&self) -> Rule {
        Rule::default()
    }

    /// The names of headers: the field, a word, and the name.
    fn headers(&self) -> [(&'static str, &'static str, String); 5] {
        let p = &self.protection;
        [
            ("userHeader", key("header-user"), p.user_header.clone()),
            ("emailHeader", key("header-email"), p.email_header.clone()),
            ("nameHeader", key("header-name"), p.name_header.clone()),
            ("groupsHeader", key("header-groups"), p.groups_header.clone()),
            ("assertionHeader", key("header-assertion"), p.assertion_header.clone()),
        ]
    }
}

/// A name of a header, first as it is, and whatever an app can't tell from it: many take `_` for `-`.
fn lookalikes(name: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    for (at, part) in name.split('-').enumerate() {
        let joined = |all: &[String], sign: &str| all.iter().map(|begun| format!("{begun}{sign}{part}")).collect();
        all = match at {
            0 => joined(&all, ""),
            // Enough for any name; one with more dashes than this is dropped in the two forms that matter.
            1..=4 => [joined(&all, "-"), joined(&all, "_")].concat(),
            _ => joined(&all, "-"),
        };
    }
    all
}

/// A configuration with an app's own names of headers: each with the usual one that it stands for, which is empty for one more.
fn with_names(text: &str, names: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    // A name may have another in it, so all go out before any comes in. nginx writes them with underscores in its variables.
    let forms = |name: &str| {
        let lower = name.to_ascii_lowercase();
        [name.to_owned(), format!("http_{};", lower.replace('-', "_")), lower]
    };
    let place = |at: usize, form: usize| format!("\u{1}{at}.{form}\u{1}");
    let renamed = || names.iter().enumerate().filter(|(_, (_, usual))| !usual.is_empty());
    for (at, (_, usual)) in renamed() {
        for (form, written) in forms(usual).iter().enumerate() {
            text = text.replace(written, &place(at, form));
        }
    }
    for (at, (own, _)) in renamed() {
        for (form, written) in forms(own).iter().enumerate() {
            text = text.replace(&place(at, form), written);
        }
    }
    for (own, usual) in names {
        let lower = own.to_ascii_lowercase();
        let mut after = |line: &str, more: &str| text = text.replace(line, &format!("{line}{more}"));
        // Whatever its name is, a client's own is dropped, and ours is let through.
        let dropped: String = lookalikes(own).iter().map(|name| format!("\t\trequest_header -{name}\n")).collect();
        after("\t\trequest_header -Remote_*\n", &dropped);
        let any = lower.replace('-', "[-_]");
        let dropped = format!("\thttp-request del-header {own}\n\thttp-request del-header ^{any}$ -m reg\n");
        after("\thttp-request del-header Remote_ -m beg\n", &dropped);
        after("(remote[-_](user|email|name|groups)", &format!("|{any}"));
        let exact = format!("              - {{ exact: {lower}, ignore_case: true }}\n");
        after("              - { prefix: remote-, ignore_case: true }\n", &exact);
        if usual.is_empty() {
            after("copy_headers", &format!(" {own}"));
            after("        authResponseHeaders:\n", &format!("          - {own}\n"));
            after("local TOLD = {", &format!(" \"{lower}\","));
            let variable = lower.replace('-', "_");
            let set = format!(
                "\t\tauth_request_set $assertion $upstream_http_{variable};\n\t\tproxy_set_header {own} $assertion;\n"
            );
            after("\t\tauth_request /_verdict;\n", &set);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_091_what_an_app_takes_for_the_same_header_is_dropped() {
        assert_eq!(lookalikes("X-A-B"), ["X-A-B", "X_A-B", "X-A_B", "X_A_B"]);
        assert_eq!(lookalikes("User"), ["User"]);
        let names = [("X-WebAuth-User", "Remote-User")];
        let of = |id: &str| with_names(SAMPLES.iter().find(|sample| sample.id == id).unwrap().text, &names);
        assert!(of("caddy").contains("request_header -X_WebAuth_User\n") && of("caddy").contains("-X-WebAuth_User\n"));
        assert!(of("haproxy").contains("del-header ^x[-_]webauth[-_]user$ -m reg"));
        assert!(of("traefik").contains("|x[-_]webauth[-_]user)$"), "{}", of("traefik"));
        assert!(of("envoy").contains("headers_with_underscores_action: DROP_HEADER"));
    }

    #[test]
    fn case_091_headers_of_other_names_are_dropped_and_told_as_well() {
        let names = [("X-Remote-Email", "Remote-User"), ("X-WEBAUTH", "Remote-Email"), ("X-Assertion", "")];
        for sample in SAMPLES {
            let text = with_names(sample.text, &names);
            assert!(!text.contains("Remote-User") && !text.contains("remote-user"), "{text}");
            for name in ["x-remote-email", "x-webauth", "x-assertion"] {
                let said = text.to_lowercase().matches(name).count();
                // Dropped and told: by one line where the proxy overwrites it.
                let wanted = match sample.id {
                    "caddy" | "nginx" => said + text.matches(&name.replace('-', "_")).count() >= 2,
                    _ => said == 1,
                };
                assert!(wanted, "{name}: {text}");
            }
        }
    }
}
