//! Budgets for guessing: token buckets kept as rows. Only failures cost; a success is free, so an office
//! behind one address signs in at nine. When the store can't be read, the caller's transaction fails and
//! the attempt is refused (security case 101).

use pid_core::Timestamp;
use pid_store::{ReadTx, WriteTx, budgets};

use crate::{Code, Error};

/// A kind of guessing and its bucket.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// The name in the store.
    pub scope: &'static str,
    /// Failures that an untouched bucket allows in a row.
    pub burst: i64,
    /// Seconds after which one more failure is allowed.
    pub refill_secs: i64,
}

/// Failed passkey sign-ins per address (api.md §8).
pub const PASSKEY_LOGIN: Budget = Budget { scope: "passkey-login", burst: 10, refill_secs: 5 };
/// Failed re-authentications per address (api.md §8).
pub const REAUTHENTICATE: Budget = Budget { scope: "reauthenticate", burst: 5, refill_secs: 10 };
/// Wrong login codes per address (api.md §8).
pub const LOGIN_CODE: Budget = Budget { scope: "login-code", burst: 5, refill_secs: 10 };
/// Wrong login codes from everywhere: a six-character code has some 30 bits and lives 15 minutes, so
/// 300 guesses and one a second leave less than one chance in a million (security case 42).
pub const LOGIN_CODE_GLOBAL: Budget = Budget { scope: "login-code-global", burst: 300, refill_secs: 1 };
/// Attempts to use a code that was mailed in a browser that has not asked for it, per code. It outlives every such code.
pub const LOGIN_CODE_ELSEWHERE: Budget = Budget { scope: "login-code-elsewhere", burst: 4, refill_secs: 3600 };
/// Wrong user codes of devices per address, and per person who types them (RFC 8628 §5.1).
pub const USER_CODE: Budget = Budget { scope: "user-code", burst: 5, refill_secs: 10 };
/// Wrong user codes from everywhere: seven characters have some 35 bits.
pub const USER_CODE_GLOBAL: Budget = Budget { scope: "user-code-global", burst: 300, refill_secs: 1 };
/// Letters that strangers ask for, per address of theirs (api.md §8).
pub const MAIL_FROM_ADDRESS: Budget = Budget { scope: "mail-from-address", burst: 5, refill_secs: 300 };
/// Letters that strangers ask for, per person who gets them and address that asks (security case 47).
pub const MAIL_TO_PERSON: Budget = Budget { scope: "mail-to-person", burst: 3, refill_secs: 300 };
/// Letters that strangers ask for, per person who gets them. So large that no single address can use it up and keep the
/// person from asking (security case 102).
pub const MAIL_TO_PERSON_IN_ALL: Budget = Budget { scope: "mail-to-person-in-all", burst: 12, refill_secs: 150 };
/// Proofs of an address that a signed-in person asks for.
pub const PROOF_OF_ADDRESS: Budget = Budget { scope: "proof-of-address", burst: 3, refill_secs: 300 };
/// Wrong proofs of an address, per person.
pub const VERIFY_EMAIL: Budget = Budget { scope: "verify-email", burst: 5, refill_secs: 10 };
/// Wrong set-up codes per address.
pub const SETUP_CODE: Budget = Budget { scope: "setup-code", burst: 10, refill_secs: 30 };
/// Sign-ups per address, good ones included (api.md §8): each answer tells whether a name or an address is taken.
pub const SIGNUP: Budget = Budget { scope: "signup", burst: 10, refill_secs: 30 };
/// Notices to administrators that somebody waits for approval, in all.
pub const APPROVAL_NOTICE: Budget = Budget { scope: "approval-notice", burst: 5, refill_secs: 900 };
/// Wrong proofs of an address by those who can't sign in yet, per address of theirs.
pub const VERIFY_NEWCOMER: Budget = Budget { scope: "verify-newcomer", burst: 5, refill_secs: 10 };
/// Requests to be let in from another device, per address (api.md §8).
pub const DEVICE_LOGIN_CREATE: Budget = Budget { scope: "device-login-create", burst: 5, refill_secs: 10 };
/// Requests for what is not or no longer there, per address (api.md §8).
pub const DEVICE_LOGIN_EXCHANGE: Budget = Budget { scope: "device-login-exchange", burst: 10, refill_secs: 2 };
/// Wrong client secrets per client and address.
pub const CLIENT_SECRET: Budget = Budget { scope: "client-secret", burst: 30, refill_secs: 2 };

impl Budget {
    /// Refuses with `rate_limited` and the seconds to wait if nothing is left.
    pub fn check(&self, tx: &ReadTx<'_>, subject: &str, now: Timestamp) -> Result<(), Error> {
        let Some(full_at) = budgets::full_at(tx, self.scope, subject)? else { return Ok(()) };
        let allowed_at = full_at.plus_secs(-(self.burst - 1) * self.refill_secs);
        if allowed_at <= now {
            return Ok(());
        }
        let wait = (allowed_at.millis() - now.millis() + 999) / 1000;
        Err(Error { retry_after: Some(u64::try_from(wait).unwrap_or(1)), ..Error::new(Code::RateLimited) })
    }

    /// Counts a failure. The transaction must commit for it to last.
    pub fn fail(&self, tx: &WriteTx<'_>, subject: &str, now: Timestamp) -> Result<(), Error> {
        let full_at = budgets::full_at(tx, self.scope, subject)?.unwrap_or(now).max(now);
        Ok(budgets::set_full_at(tx, self.scope, subject, full_at.plus_secs(self.refill_secs))?)
    }
}

/// The subject of a per-address budget: the address, or its /64 for IPv6.
pub fn address_subject(ip_address: &str) -> String {
    match ip_address.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V6(v6)) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.to_string(),
            None => {
                let s = v6.segments();
                format!("{:x}:{:x}:{:x}:{:x}::/64", s[0], s[1], s[2], s[3])
            }
        },
        Ok(v4) => v4.to_string(),
        Err(_) => "unknown".to_owned(),
    }
}
