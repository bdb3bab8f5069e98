//! What a browser loads for `/login` with an empty cache.

use crate::Result;
use crate::actor::Actor;
use crate::report::Fact;

/// Weight as it goes over the wire, without headers, and the number of requests: the page and whatever of ours it,
/// its style sheets and its scripts name.
pub async fn weigh(actor: &mut Actor) -> Result<Vec<Fact>> {
    let mut wanted = vec!["/login".to_owned()];
    let (mut next, mut bytes) = (0, 0);
    while let Some(path) = wanted.get(next).cloned() {
        next += 1;
        let packed = actor.get(&path, &[("accept-encoding", "gzip, deflate, br, zstd")]).await?.expect(200)?;
        bytes += packed.body.len();
        // Once more, readable.
        let plain = actor.get(&path, &[]).await?.expect(200)?;
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
    Ok(vec![
        Fact::new("weight of /login, compressed", bytes as f64 / 1024.0, "KiB", Some(40.0)),
        Fact::new("requests of /login", wanted.len() as f64, "", Some(8.0)),
    ])
}
