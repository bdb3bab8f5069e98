//! Provisioning at scale: people made through the API, written to a SCIM server on loopback and compared. The
//! target lives in this process and does as little as it can: what is measured is ours.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::Result;
use crate::options::Options;
use crate::report::{Fact, Report};
use crate::server::{Home, Server};
use crate::usage;
use crate::world::Script;

/// Resources of a page.
const PAGE: usize = 1000;

/// What the target keeps, by its number.
type Kept = Arc<Mutex<BTreeMap<u64, Value>>>;

fn answer(kept: &Kept, method: &Method, path: &str, start: usize, body: &[u8]) -> (StatusCode, Value) {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    let id = path.rsplit('/').next().and_then(|id| id.parse::<u64>().ok());
    let whole = |id: u64| {
        let mut resource: Value = serde_json::from_slice(body).unwrap_or_default();
        resource["id"] = json!(id.to_string());
        resource
    };
    match (method, id) {
        (&Method::GET, None) if path.ends_with("/Users") => {
            let page: Vec<&Value> = kept.values().skip(start.saturating_sub(1)).take(PAGE).collect();
            (StatusCode::OK, json!({ "totalResults": kept.len(), "startIndex": start, "Resources": page }))
        }
        (&Method::GET, None) => (StatusCode::OK, json!({ "totalResults": 0 })),
        (&Method::POST, _) => {
            let id = u64::try_from(kept.len()).unwrap_or_default() + 1;
            let resource = whole(id);
            _ = kept.insert(id, resource.clone());
            (StatusCode::CREATED, resource)
        }
        (&Method::PUT, Some(id)) => {
            let resource = whole(id);
            _ = kept.insert(id, resource.clone());
            (StatusCode::OK, resource)
        }
        (&Method::GET, Some(id)) => {
            kept.get(&id).map_or((StatusCode::NOT_FOUND, json!({})), |r| (StatusCode::OK, r.clone()))
        }
        _ => (StatusCode::NOT_FOUND, json!({})),
    }
}

async fn target() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let (port, kept) = (listener.local_addr()?.port(), Kept::default());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let kept = Arc::clone(&kept);
            let service = service_fn(move |request: Request<Incoming>| {
                let kept = Arc::clone(&kept);
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                    let query = head.uri.query().unwrap_or_default();
                    let start = query.split('&').find_map(|part| part.strip_prefix("startIndex=")?.parse().ok());
                    let (status, value) = answer(&kept, &head.method, head.uri.path(), start.unwrap_or(1), &body);
                    let mut response = Response::new(Full::<Bytes>::from(value.to_string()));
                    *response.status_mut() = status;
                    Ok::<_, Infallible>(response)
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(port)
}

/// What a run took.
struct Took {
    seconds: f64,
    /// CPU of the server, milliseconds.
    cpu_ms: f64,
    /// What every hundredth request of somebody else took at least meanwhile, milliseconds.
    others_p99_ms: f64,
}

async fn run_once(server: &Server, sync: &str) -> Result<Took> {
    let (mut asking, mut other) = (Script::new(server).await?, Script::new(server).await?);
    let (began, cpu, mut times) = (Instant::now(), usage::cpu_ms(server.id())?, Vec::new());
    let mut run = std::pin::pin!(asking.act(sync));
    loop {
        let asked = Instant::now();
        tokio::select! {
            biased;
            done = &mut run => {
                done?;
                break;
            }
            answer = other.get("/api/users/me") => {
                answer?;
            }
        }
        times.push(asked.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    let others_p99_ms = times.get(times.len() * 99 / 100).copied().unwrap_or_default();
    Ok(Took { seconds: began.elapsed().as_secs_f64(), cpu_ms: usage::cpu_ms(server.id())? - cpu, others_p99_ms })
}

/// Makes people, provisions them, and compares them all.
pub async fn run(binary: &Path, options: &Options, people: usize) -> Result<()> {
    let home = Home::new(options)?;
    let server = Server::start(binary, &home)?;
    let mut script = Script::new(&server).await?;
    println!("Making {people} people …");
    for n in 0..people {
        let (name, email) = (format!("person{n}"), format!("person{n}@example.com"));
        let body = json!({ "username": name, "email": email, "firstName": "Tim", "lastName": "Test", "displayName": "Tim Test" });
        script.post("/api/users", &body).await?;
    }
    let client = script.post("/api/oidc/clients", &json!({ "name": "App", "callbackURLs": [] })).await?;
    let endpoint = format!("http://127.0.0.1:{}/scim", target().await?);
    let body = json!({ "endpoint": endpoint, "oidcClientId": client["id"] });
    let provider = script.post("/api/scim/service-provider", &body).await?;
    let sync = format!("/api/scim/service-provider/{}/sync", provider["id"].as_str().unwrap_or_default());
    let at_rest = usage::memory(server.id())?.rss;
    let mut report = Report::default();
    for what in ["created", "compared"] {
        println!("Provisioning: {what} …");
        let Took { seconds, cpu_ms, others_p99_ms } = run_once(&server, &sync).await?;
        report.facts.extend([
            Fact::new(format!("{people} people {what}"), seconds, "s", None),
            Fact::new(format!("people {what} per second"), people as f64 / seconds, "/s", None),
            Fact::new(format!("CPU of a person {what}"), cpu_ms * 1000.0 / people as f64, "µs", None),
            Fact::new(format!("others' requests while people are {what}, p99"), others_p99_ms, "ms", None),
            Fact::new(format!("memory after people were {what}, RSS"), usage::memory(server.id())?.rss, "MiB", None),
        ]);
    }
    report.facts.push(Fact::new("memory before, RSS", at_rest, "MiB", None));
    println!("{report}");
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_vec_pretty(&report)?)?;
    }
    Ok(())
}
