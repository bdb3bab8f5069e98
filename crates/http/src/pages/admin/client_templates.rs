//! Applications that we know: from their address alone a client can be filled in. One line each in
//! `data/client-templates.json`, the first first: paths below the application's address, or whole addresses of its apps.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// An application that we know.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClientTemplate {
    /// Its key.
    pub id: String,
    /// The client's name.
    pub name: String,
    /// What an address of it looks like.
    pub example: String,
    /// Callback URLs.
    pub callbacks: Vec<String>,
    /// Logout callback URLs, or the one for back-channel logout, which is taken over from here.
    #[serde(default)]
    pub logouts: Vec<String>,
    /// Settings of the application that read a claim, and which. Only the server needs to know.
    #[serde(default, skip_serializing)]
    pub settings: Vec<(String, String)>,
}

impl ClientTemplate {
    /// As the page's script reads it.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The application that returns to addresses like these.
    #[must_use]
    pub fn of(callbacks: &[String]) -> Option<&'static Self> {
        let paths: Vec<String> = callbacks
            .iter()
            .filter_map(|entry| url::Url::parse(entry).ok())
            .map(|url| url[url::Position::BeforePath..].to_owned())
            .collect();
        // `/login` and the like say nothing.
        let tells = |path: &str| path.matches('/').count() > 1;
        TEMPLATES.iter().find(|app| app.callbacks.iter().any(|path| tells(path) && paths.contains(path)))
    }
}

/// All of them.
pub static TEMPLATES: LazyLock<Vec<ClientTemplate>> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../data/client-templates.json")).unwrap_or_default());

#[cfg(test)]
mod tests {
    use pid_oidc::backchannel_logout;
    use pid_oidc::redirect_uri::{Pattern, Purpose};

    use super::*;

    #[test]
    fn every_template_makes_a_client_that_we_accept() {
        let templates: Vec<ClientTemplate> =
            serde_json::from_str(include_str!("../../../data/client-templates.json")).unwrap();
        assert!(templates.len() > 20);
        assert_eq!(templates[0].id, "nextcloud");
        let whole = |t: &ClientTemplate, paths: &[String]| -> Vec<String> {
            paths.iter().map(|p| if p.starts_with('/') { format!("{}{p}", t.example) } else { p.clone() }).collect()
        };
        for (at, t) in templates.iter().enumerate() {
            assert!(templates[..at].iter().all(|other| other.id != t.id && other.name != t.name), "{} twice", t.id);
            assert!((2..=50).contains(&t.name.chars().count()) && !t.callbacks.is_empty(), "{}", t.id);
            let url = url::Url::parse(&t.example).unwrap();
            assert!(url.scheme() == "https" && url.path() == "/" && !t.example.ends_with('/'), "{}", t.example);
            let (callbacks, logouts) = (whole(t, &t.callbacks), whole(t, &t.logouts));
            let read: Vec<_> = t.settings.iter().map(|(setting, _)| setting).collect();
            assert!(
                t.settings.iter().all(|(s, c)| !s.is_empty() && c.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
            );
            assert!((1..read.len()).all(|n| !read[..n].contains(&read[n])), "{}: {read:?}", t.id);
            for entry in &callbacks {
                let pattern = Pattern::parse(entry).unwrap_or_else(|e| panic!("{entry}: {e}"));
                assert!(pattern.is_literal(), "{entry}");
            }
            for entry in &logouts {
                Pattern::parse_for(Purpose::PostLogout, entry).unwrap_or_else(|e| panic!("{entry}: {e}"));
                // What is there is the back-channel address of the list.
                assert_eq!(backchannel_logout::taken_over(&logouts, &callbacks).as_ref(), Some(entry));
            }
        }
    }

    #[test]
    fn an_application_is_known_by_where_it_returns_to() {
        let of = |urls: &[&str]| {
            ClientTemplate::of(&urls.iter().map(|u| (*u).to_owned()).collect::<Vec<_>>()).map(|app| app.id.as_str())
        };
        assert_eq!(of(&["https://files.example.org/apps/user_oidc/code"]), Some("nextcloud"));
        assert_eq!(
            of(&["https://app.example.org/login", "https://g.example.org/login/generic_oauth"]),
            Some("grafana")
        );
        assert_eq!(of(&["https://app.example.org/login"]), None);
        assert_eq!(of(&["*", "not a url"]), None);
    }
}
