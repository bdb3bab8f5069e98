//! What a browser loads for each page with an empty cache, and how long the server takes for the page itself.

use std::time::Instant;

use serde::Serialize;

use crate::Result;
use crate::actor::Actor;

/// The most that a page of signing in may weigh, and one of the settings, KiB.
const SIGN_IN: f64 = 40.0;
const SETTINGS: f64 = 80.0;
/// How often the page itself is read; the median counts.
const TIMES: usize = 21;

/// A page.
#[derive(Debug, Serialize)]
pub struct Weight {
    /// Its address, without ids.
    pub page: &'static str,
    /// As it goes over the wire, without headers: the page and whatever of ours it, its style sheets and its scripts name.
    pub kib: f64,
    /// How many requests that takes.
    pub requests: usize,
    /// From the request for the page to its last byte, the median.
    pub server_ms: f64,
    /// The most that it may weigh, KiB.
    pub goal_kib: f64,
    /// What Pocket ID 2.14 loads for it: scripts alone, compressed, KB; and requests, where that was counted.
    pub theirs: Option<(f64, Option<u32>)>,
}

/// A page's name, its path, the cookies that it is read with, its goal in KiB, and what Pocket ID's takes.
type Page<'a> = (&'static str, &'a str, &'a str, f64, Option<(f64, Option<u32>)>);

/// Every page, read by an administrator where somebody has to be signed in.
pub async fn weigh(actor: &mut Actor) -> Result<Vec<Weight>> {
    let session = actor.session().to_owned();
    let me = actor.get("/api/users/me", &[("cookie", &session)]).await?.expect(200)?.json()?;
    let user = format!("/settings/admin/users/{}", me["id"].as_str().unwrap_or_default());
    let client = format!("/settings/admin/oidc-clients/{}", actor.unused_app()?);
    let (interaction, visitor) = actor.begin_interaction().await?;
    let pages: [Page<'_>; 15] = [
        ("/login", "/login", "", SIGN_IN, Some((168.0, Some(80)))),
        ("/interaction (consent)", &interaction, &visitor, SIGN_IN, Some((180.0, Some(90)))),
        ("/device", "/device", "", SIGN_IN, Some((189.0, Some(92)))),
        ("/signup", "/signup", "", SIGN_IN, Some((217.0, None))),
        ("/settings/apps", "/settings/apps", &session, SETTINGS, Some((203.0, None))),
        ("/settings/account", "/settings/account", &session, SETTINGS, Some((267.0, Some(139)))),
        ("/settings/audit-log", "/settings/audit-log", &session, SETTINGS, None),
        ("/settings/audit-log/global", "/settings/audit-log/global", &session, SETTINGS, None),
        ("users", "/settings/admin/users", &session, SETTINGS, Some((310.0, None))),
        ("a user", &user, &session, SETTINGS, None),
        ("groups", "/settings/admin/user-groups", &session, SETTINGS, None),
        ("clients", "/settings/admin/oidc-clients", &session, SETTINGS, None),
        ("a client", &client, &session, SETTINGS, Some((387.0, Some(153)))),
        ("API keys", "/settings/admin/api-keys", &session, SETTINGS, None),
        ("configuration", "/settings/admin/application-configuration", &session, SETTINGS, Some((332.0, None))),
    ];
    let mut weights = Vec::new();
    for (page, path, cookie, goal_kib, theirs) in pages {
        let (kib, requests) = load(actor, path, cookie).await.map_err(|error| format!("{page}: {error}"))?;
        let mut times = Vec::new();
        for _ in 0..TIMES {
            let began = Instant::now();
            actor.get(path, &[("cookie", cookie), ("accept-encoding", "br")]).await?.expect(200)?;
            times.push(began.elapsed().as_secs_f64() * 1000.0);
        }
        times.sort_by(f64::total_cmp);
        weights.push(Weight { page, kib, requests, server_ms: times[TIMES / 2], goal_kib, theirs });
    }
    Ok(weights)
}

/// KiB and requests of a page, from an empty cache.
async fn load(actor: &mut Actor, page: &str, cookie: &str) -> Result<(f64, usize)> {
    let mut wanted = vec![page.to_owned()];
    let (mut next, mut bytes) = (0, 0);
    while let Some(path) = wanted.get(next).cloned() {
        next += 1;
        let packed = actor
            .get(&path, &[("cookie", cookie), ("accept-encoding", "gzip, deflate, br, zstd")])
            .await?
            .expect(200)?;
        bytes += packed.body.len();
        // Once more, readable.
        let plain = actor.get(&path, &[("cookie", cookie)]).await?.expect(200)?;
        let kind = plain.header("content-type").to_owned();
        let markers: &[&str] = match kind.split(';').next().unwrap_or_default() {
            "text/html" => {
                &["src=\"", "<link rel=\"stylesheet\" href=\"", "rel=\"icon\" href=\"", "rel=\"modulepreload\" href=\""]
            }
            "text/css" => &["url(", "url(\"", "@import \""],
            kind if kind.ends_with("javascript") => &["from\"", "from \"", "import\"", "import \"", "import(\""],
            _ => &[],
        };
        let text = String::from_utf8_lossy(&plain.body).into_owned();
        for marker in markers {
            for (i, _) in text.match_indices(marker) {
                let rest = &text[i + marker.len()..];
                let found = rest.split(['"', ')', '\'']).next().unwrap_or_default();
                if found.starts_with('/') && !found.starts_with("//") && !wanted.iter().any(|w| w == found) {
                    wanted.push(found.to_owned());
                }
            }
        }
    }
    Ok((bytes as f64 / 1024.0, wanted.len()))
}
