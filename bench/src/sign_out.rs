//! How long a sign-out takes to reach the applications: one person signed in to a hundred clients, from the click until each
//! of them has its logout token (OpenID Connect Back-Channel Logout 1.0).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::Result;
use crate::actor::{Actor, CALLBACK};
use crate::report::Fact;
use crate::server::Server;
use crate::world::Script;

const CLIENTS: usize = 100;
const ROUNDS: usize = 5;
/// A round that takes longer has lost something.
const LIMIT: Duration = Duration::from_secs(30);

/// Applications on loopback that take every logout token; their number in the path is told to the channel.
async fn receive(arrived: UnboundedSender<(usize, Instant)>) -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let arrived = arrived.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let arrived = arrived.clone();
                async move {
                    let number = request.uri().path().trim_start_matches('/').parse().unwrap_or(usize::MAX);
                    let _ = request.into_body().collect().await;
                    let _ = arrived.send((number, Instant::now()));
                    Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(port)
}

/// Milliseconds from the click to each arrival of one round.
async fn round(
    actor: &mut Actor,
    ids: &[String],
    arrivals: &mut UnboundedReceiver<(usize, Instant)>,
) -> Result<Vec<f64>> {
    actor.sign_in().await?;
    for id in ids {
        actor.visit(id).await?;
    }
    let clicked = Instant::now();
    actor.sign_out().await?;
    let mut seen = vec![false; ids.len()];
    let mut times = Vec::new();
    while times.len() < ids.len() {
        let next = tokio::time::timeout(LIMIT, arrivals.recv()).await;
        let (number, at) =
            next.map_err(|_| format!("{} of {} clients were told", times.len(), ids.len()))?.ok_or("closed")?;
        if std::mem::replace(seen.get_mut(number).ok_or("a stranger was told")?, true) {
            return Err(format!("client {number} was told twice").into());
        }
        times.push((at - clicked).as_secs_f64() * 1000.0);
    }
    Ok(times)
}

/// Measures p50 and p99 over all clients and rounds.
pub async fn measure(server: &Server) -> Result<Vec<Fact>> {
    let (sender, mut arrivals) = unbounded_channel();
    let port = receive(sender).await?;
    let mut script = Script::new(server).await?;
    let mut ids = Vec::new();
    for n in 0..CLIENTS {
        let body = json!({
            "name": format!("Told {n}"), "callbackURLs": [CALLBACK], "isPublic": true, "skipConsent": true,
            "idTokenSignedResponseAlg": "ES256", "backchannelLogoutURL": format!("http://127.0.0.1:{port}/{n}"),
        });
        let client = script.post("/api/oidc/clients", &body).await?;
        ids.push(client["id"].as_str().unwrap_or_default().to_owned());
    }
    let user = script
        .post("/api/users", &json!({ "username": "leaver", "email": "leaver@example.com", "displayName": "Leaver" }))
        .await?;
    let path = format!("/api/users/{}/one-time-access-token", user["id"].as_str().unwrap_or_default());
    let code = script.post(&path, &json!({})).await?;
    let mut actor = Actor::new(server.address, 4_000_000, Arc::from([])).await?;
    actor.enrol(code["token"].as_str().unwrap_or_default()).await?;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        times.extend(round(&mut actor, &ids, &mut arrivals).await?);
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    Ok(vec![
        Fact::new(format!("sign-out told to {CLIENTS} clients, p50"), at(0.5), "ms", None),
        Fact::new(format!("sign-out told to {CLIENTS} clients, p99"), at(0.99), "ms", Some(2000.0)),
    ])
}
