//! How long codes and tokens are good for (oidc.md §13.7). All in seconds.

use pid_core::clients::TOKEN_MINUTES;

/// An authorization code.
pub const CODE: i64 = 900;
/// An authorization code of a client whose every request is pushed and whose tokens are bound to a key
/// (FAPI 2.0 Security Profile §5.3.2.1).
pub const CODE_OF_HIGH_SECURITY: i64 = 60;
/// An ID token, where a client has no setting of its own.
pub const ID_TOKEN: i64 = crate::claims::ID_TOKEN_SECONDS;
/// The time after a rotation in which a refresh token gives the same successor again, unless the instance says otherwise.
pub const REFRESH_GRACE: i64 = 10;

/// What a client's record says, in minutes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settings {
    /// Of its access tokens.
    pub access_minutes: i64,
    /// Of its refresh tokens, anew at each rotation.
    pub refresh_minutes: i64,
    /// Of its ID tokens.
    pub id_token_minutes: Option<i64>,
    /// Its requests must be pushed and its tokens are bound to a key.
    pub high_security: bool,
}

/// The lifetimes of one client's codes and tokens, within their bounds whatever the record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// Authorization codes.
    pub code: i64,
    /// Access tokens.
    pub access: i64,
    /// Refresh tokens.
    pub refresh: i64,
    /// ID tokens.
    pub id_token: i64,
}

impl Lifetimes {
    /// The lifetimes that a client's record means.
    #[must_use]
    pub fn of(settings: Settings) -> Self {
        let seconds = |minutes: i64| minutes.clamp(*TOKEN_MINUTES.start(), *TOKEN_MINUTES.end()) * 60;
        Self {
            code: if settings.high_security { CODE_OF_HIGH_SECURITY } else { CODE },
            access: seconds(settings.access_minutes),
            refresh: seconds(settings.refresh_minutes),
            id_token: settings.id_token_minutes.map_or(ID_TOKEN, seconds),
        }
    }

    /// The longest time for which something signed now can be good: how long a retired key stays published.
    #[must_use]
    pub fn longest_signed(all: impl IntoIterator<Item = Self>) -> i64 {
        all.into_iter().map(|life| life.access.max(life.id_token)).max().unwrap_or(0).max(ID_TOKEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_stay_within_their_bounds() {
        let usual = Settings { access_minutes: 60, refresh_minutes: 43_200, ..Settings::default() };
        let life = Lifetimes::of(usual);
        assert_eq!((life.code, life.access, life.refresh, life.id_token), (900, 3600, 2_592_000, 3600));
        let odd = Lifetimes::of(Settings {
            access_minutes: 0,
            refresh_minutes: i64::MAX,
            id_token_minutes: Some(-5),
            high_security: true,
        });
        assert_eq!((odd.code, odd.access, odd.refresh, odd.id_token), (60, 60, 525_600 * 60, 60));
        assert_eq!(Lifetimes::longest_signed([odd]), 3600);
        let long = Lifetimes::of(Settings { access_minutes: 600, ..usual });
        assert_eq!(Lifetimes::longest_signed([odd, long]), 36_000);
        assert_eq!(Lifetimes::longest_signed([]), 3600);
    }
}
