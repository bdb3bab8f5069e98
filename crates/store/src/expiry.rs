//! Whether anything has expired: asked by a read, so that an instance at rest writes nothing.

use pid_core::Timestamp;

use crate::{ReadTx, StoreError, params, statements};

statements! {
    DUE = "SELECT 1 WHERE EXISTS (SELECT 1 FROM webauthn_challenges WHERE expires_at < $1) \
        OR EXISTS (SELECT 1 FROM interactions WHERE expires_at < $1) \
        OR EXISTS (SELECT 1 FROM login_codes WHERE expires_at < $1) \
        OR EXISTS (SELECT 1 FROM grants WHERE expires_at < $1) \
        OR EXISTS (SELECT 1 FROM pushed_requests WHERE expires_at < $1) \
        OR EXISTS (SELECT 1 FROM device_authorizations WHERE expires_at < $1 AND grant_id IS NULL) \
        OR EXISTS (SELECT 1 FROM email_verifications WHERE expires_at < $1) \
        OR EXISTS (SELECT 1 FROM device_logins WHERE expires_at < $1) \
        OR EXISTS (SELECT 1 FROM signup_tokens WHERE expires_at < $1) \
        OR EXISTS (SELECT 1 FROM used_tokens WHERE expires_at < $1) \
        OR EXISTS (SELECT 1 FROM sessions WHERE expires_at < $1) \
        OR EXISTS (SELECT 1 FROM reauthentications WHERE expires_at < $1) \
        OR EXISTS (SELECT 1 FROM guess_budgets WHERE full_at < $2) \
        OR EXISTS (SELECT 1 FROM audit_quotas WHERE ends_at < $2) \
        OR EXISTS (SELECT 1 FROM audit_logs WHERE created_at < $3) \
        OR EXISTS (SELECT 1 FROM diagnoses WHERE last_at < $4)";
}

/// Whether a clean-up would find rows: expired before a moment, budgets full before another, audit entries made before
/// a third, faults last seen before a fourth.
pub fn is_due(
    tx: &ReadTx<'_>,
    before: Timestamp,
    full: Timestamp,
    audit: Timestamp,
    faults: Timestamp,
) -> Result<bool, StoreError> {
    let moments = params![before.millis(), full.millis(), audit.millis(), faults.millis()];
    Ok(tx.query_opt(&DUE, moments)?.is_some())
}
