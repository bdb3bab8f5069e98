//! The general limiter: in memory, per address (/64 for IPv6), 100 requests a second with a burst of 300
//! (api.md §8). Budgets for guessing are rows instead: see `pid_flows::budget`.

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use pid_flows::budget::address_subject;
use pid_flows::{Code, Error};

use crate::error::ApiError;
use crate::middleware::client_ip::ClientIp;
use crate::state::App;

/// The limiter, or none when `DISABLE_RATE_LIMITING` is set.
#[derive(Clone, Default)]
pub struct Limiter(Option<Arc<DefaultKeyedRateLimiter<String>>>);

const PER_SECOND: NonZeroU32 = NonZeroU32::new(100).unwrap();
const BURST: NonZeroU32 = NonZeroU32::new(300).unwrap();

impl Limiter {
    /// A limiter with the contract's rate.
    pub fn new() -> Self {
        Self(Some(Arc::new(RateLimiter::keyed(Quota::per_second(PER_SECOND).allow_burst(BURST)))))
    }

    /// No limit.
    pub fn off() -> Self {
        Self(None)
    }

    /// Whether budgets for guessing apply as well: `DISABLE_RATE_LIMITING` turns off all limits.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Forgets addresses that have been quiet.
    pub fn forget_quiet(&self) {
        if let Some(limiter) = &self.0 {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }

    /// Counts a request of an address. The error: seconds to wait.
    pub(crate) fn check(&self, ip: std::net::IpAddr) -> Result<(), u64> {
        let Some(limiter) = &self.0 else { return Ok(()) };
        limiter.check_key(&address_subject(&ip.to_string())).map_err(|not_until| {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            wait.as_millis().div_ceil(1000).max(1) as u64
        })
    }
}

/// Refuses with `rate_limited` and `Retry-After` when an address asks too often.
pub async fn layer(State(app): State<App>, request: Request, next: Next) -> Response {
    let ip = request.extensions().get::<ClientIp>().map(|ip| ip.0);
    match ip.map_or(Ok(()), |ip| app.limiter().check(ip)) {
        Ok(()) => next.run(request).await,
        Err(secs) => ApiError(Error { retry_after: Some(secs), ..Error::new(Code::RateLimited) }).into_response(),
    }
}
