//! Registered passkeys and pending WebAuthn ceremonies.

use pid_core::passkeys::{Policy, Traits};
use pid_core::users::User;
use pid_core::{PasskeyId, Timestamp, UserId};

use crate::users::user_columns;
use crate::{ReadTx, Row, StoreError, Value, WriteTx, params, statements, users};

/// The columns of a passkey in the order of [`passkey`].
macro_rules! columns {
    () => {
        "passkeys.id, passkeys.user_id, name, credential_id, public_key, alg, aaguid, sign_count, transports, attestation_type, user_verified, \
         backup_eligible, backup_state, passkeys.created_at, last_used_at, passkeys.version, attachment"
    };
}

/// Whether a policy lets a passkey be used, as [`Policy::judge`] decides it, with the parameters of [`of_policy`].
macro_rules! fits {
    ($unverified:literal, $synced:literal, $attachment:literal, $allowed:literal, $denied:literal) => {
        concat!(
            "(", $unverified, " OR passkeys.user_verified) AND (", $synced, " OR NOT passkeys.backup_eligible) \
             AND (", $attachment, " = '' OR passkeys.attachment = ", $attachment, ") \
             AND (", $allowed, " = '' OR ", $allowed, " LIKE '%' || passkeys.aaguid || '%') \
             AND NOT ", $denied, " LIKE '%' || passkeys.aaguid || '%'"
        )
    };
}
pub(crate) use fits;

statements! {
    BY_USER = concat!("SELECT ", columns!(), " FROM passkeys WHERE user_id = $1 ORDER BY created_at, id");
    BY_CREDENTIAL_ID = concat!("SELECT ", columns!(), " FROM passkeys WHERE credential_id = $1");
    WITH_OWNER = concat!("SELECT ", user_columns!(), ", ", columns!(), " FROM passkeys JOIN users ON users.id = passkeys.user_id WHERE credential_id = $1");
    HOLD = "UPDATE passkeys SET version = version WHERE user_id = $1";
    INSERT = "INSERT INTO passkeys (id, user_id, name, credential_id, public_key, alg, aaguid, sign_count, transports, attestation_type, \
        user_verified, backup_eligible, backup_state, created_at, attachment) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
    USED = "UPDATE passkeys SET sign_count = $2, backup_state = $3, user_verified = $4, last_used_at = $5 WHERE id = $1";
    RENAME = "UPDATE passkeys SET name = $3, version = version + 1 WHERE id = $1 AND user_id = $2";
    DELETE = "DELETE FROM passkeys WHERE id = $1 AND user_id = $2";
    OWNERS = "SELECT DISTINCT users.username FROM passkeys JOIN users ON users.id = passkeys.user_id ORDER BY users.username LIMIT 1000";
    LOCKED_OUT = concat!(
        "SELECT id, username, display_name, is_admin, count(*) OVER () FROM users WHERE NOT disabled \
         AND EXISTS (SELECT 1 FROM passkeys WHERE passkeys.user_id = users.id) \
         AND NOT EXISTS (SELECT 1 FROM passkeys WHERE passkeys.user_id = users.id AND ",
        fits!("$1", "$2", "$3", "$4", "$5"), ") ORDER BY is_admin DESC, username_key LIMIT 100"
    );
    INSERT_CHALLENGE = "INSERT INTO webauthn_challenges (challenge, kind, browser_hash, user_id, expires_at) VALUES ($1, $2, $3, $4, $5)";
    TAKE_CHALLENGE = "DELETE FROM webauthn_challenges WHERE challenge = $1 AND browser_hash = $2 RETURNING kind, user_id, expires_at";
    PURGE_CHALLENGES = "DELETE FROM webauthn_challenges WHERE expires_at < $1";
}

/// A registered passkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passkey {
    /// The row's id, used in paths.
    pub id: PasskeyId,
    /// Whose it is.
    pub user_id: UserId,
    /// The name its owner gave it.
    pub name: String,
    /// WebAuthn credential id.
    pub credential_id: Vec<u8>,
    /// COSE_Key.
    pub public_key: Vec<u8>,
    /// COSE algorithm identifier.
    pub alg: i64,
    /// UUID text of the authenticator's model.
    pub aaguid: String,
    /// The last signature counter.
    pub sign_count: i64,
    /// WebAuthn transport names.
    pub transports: Vec<String>,
    /// Attestation statement format.
    pub attestation_type: String,
    /// Whether the authenticator verified its person the last time.
    pub user_verified: bool,
    /// Whether the key may be synced (BE).
    pub backup_eligible: bool,
    /// Whether the key is synced (BS).
    pub backup_state: bool,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it last signed in.
    pub last_used_at: Option<Timestamp>,
    /// Raised by each change that a person makes.
    pub version: i64,
    /// `platform` or `cross-platform`, if the browser said how the authenticator is attached.
    pub attachment: Option<String>,
}

impl Passkey {
    /// What a policy judges.
    pub fn traits(&self) -> Traits<'_> {
        Traits {
            user_verified: self.user_verified,
            backup_eligible: self.backup_eligible,
            attachment: self.attachment.as_deref(),
            aaguid: &self.aaguid,
        }
    }
}

/// The parameters of [`fits!`]. A model is looked for in the text of all, which commas part.
pub(crate) fn of_policy(policy: &Policy) -> [Value; 5] {
    let models = |list: &[String]| list.join(",").into();
    [
        (!policy.verified).into(),
        policy.synced.into(),
        policy.attachment.clone().unwrap_or_default().into(),
        models(&policy.allowed),
        models(&policy.denied),
    ]
}

/// Somebody who can't sign in by any passkey of theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedOut {
    /// Who.
    pub id: UserId,
    /// Their username.
    pub username: String,
    /// May be empty.
    pub display_name: String,
    /// Whether they are an administrator.
    pub is_admin: bool,
}

/// Enabled people who have passkeys of which the policy lets none be used: how many, and the first 100 of them,
/// administrators before others.
pub fn locked_out(tx: &ReadTx<'_>, policy: &Policy) -> Result<(i64, Vec<LockedOut>), StoreError> {
    let rows = tx.query(&LOCKED_OUT, &of_policy(policy))?;
    let total = rows.first().map(|row| row.get(4)).transpose()?.unwrap_or(0);
    let person = |row: &Row| {
        let id = UserId::new(row.get::<String>(0)?);
        Ok(LockedOut { id, username: row.get(1)?, display_name: row.get(2)?, is_admin: row.get(3)? })
    };
    Ok((total, rows.iter().map(person).collect::<Result<_, StoreError>>()?))
}

pub(crate) fn passkey(row: &Row) -> Result<Passkey, StoreError> {
    passkey_at(row, 0)
}

fn passkey_at(row: &Row, at: usize) -> Result<Passkey, StoreError> {
    Ok(Passkey {
        id: PasskeyId::new(row.get::<String>(at)?),
        user_id: UserId::new(row.get::<String>(at + 1)?),
        name: row.get(at + 2)?,
        credential_id: row.get(at + 3)?,
        public_key: row.get(at + 4)?,
        alg: row.get(at + 5)?,
        aaguid: row.get(at + 6)?,
        sign_count: row.get(at + 7)?,
        transports: serde_json::from_str(&row.get::<String>(at + 8)?).unwrap_or_default(),
        attestation_type: row.get(at + 9)?,
        user_verified: row.get(at + 10)?,
        backup_eligible: row.get(at + 11)?,
        backup_state: row.get(at + 12)?,
        created_at: Timestamp::from_millis(row.get(at + 13)?),
        last_used_at: row.get::<Option<i64>>(at + 14)?.map(Timestamp::from_millis),
        version: row.get(at + 15)?,
        attachment: row.get(at + 16)?,
    })
}

/// A person's passkeys, oldest first.
pub fn by_user(tx: &ReadTx<'_>, user: &UserId) -> Result<Vec<Passkey>, StoreError> {
    tx.query(&BY_USER, params![user.as_str()])?.iter().map(passkey).collect()
}

/// The passkey of a WebAuthn credential id.
pub fn by_credential_id(tx: &ReadTx<'_>, credential_id: &[u8]) -> Result<Option<Passkey>, StoreError> {
    tx.query_opt(&BY_CREDENTIAL_ID, params![credential_id.to_vec()])?.as_ref().map(passkey).transpose()
}

/// Says that the passkey of a credential id, and whose it is, will be asked for.
pub fn announce_owner(tx: &ReadTx<'_>, credential_id: &[u8]) -> Result<(), StoreError> {
    tx.announce(&WITH_OWNER, params![credential_id.to_vec()])
}

/// The same, and whose it is.
pub fn with_owner(tx: &ReadTx<'_>, credential_id: &[u8]) -> Result<Option<(Passkey, User)>, StoreError> {
    let found = tx.query_opt(&WITH_OWNER, params![credential_id.to_vec()])?;
    found.map(|row| Ok((passkey_at(&row, users::COLUMNS)?, users::from_row(&row)?))).transpose()
}

/// Writes all passkeys of a person, as they are: a sign-in by one of them, which writes it as well, is done before this, or
/// runs again after it.
pub fn hold(tx: &WriteTx<'_>, user: &UserId) -> Result<(), StoreError> {
    tx.queue(&HOLD, params![user.as_str()])
}

/// Stores a new passkey. A known credential id is [`StoreError::UniqueViolation`].
pub fn insert(tx: &WriteTx<'_>, p: &Passkey) -> Result<(), StoreError> {
    tx.execute(
        &INSERT,
        params![
            p.id.as_str(),
            p.user_id.as_str(),
            p.name.as_str(),
            p.credential_id.clone(),
            p.public_key.clone(),
            p.alg,
            p.aaguid.as_str(),
            p.sign_count,
            serde_json::to_string(&p.transports).unwrap_or_else(|_| "[]".to_owned()),
            p.attestation_type.as_str(),
            p.user_verified,
            p.backup_eligible,
            p.backup_state,
            p.created_at.millis(),
            p.attachment.clone()
        ],
    )?;
    Ok(())
}

/// Records what an assertion told about the passkey.
pub fn used(tx: &WriteTx<'_>, p: &Passkey, now: Timestamp) -> Result<(), StoreError> {
    tx.queue(&USED, params![p.id.as_str(), p.sign_count, p.backup_state, p.user_verified, now.millis()])
}

/// Renames a person's own passkey. Tells whether it exists and is theirs.
pub fn rename(tx: &WriteTx<'_>, id: &PasskeyId, user: &UserId, name: &str) -> Result<bool, StoreError> {
    Ok(tx.execute(&RENAME, params![id.as_str(), user.as_str(), name])? == 1)
}

/// Deletes a person's passkey. Tells whether it existed and was theirs.
pub fn delete(tx: &WriteTx<'_>, id: &PasskeyId, user: &UserId) -> Result<bool, StoreError> {
    Ok(tx.execute(&DELETE, params![id.as_str(), user.as_str()])? == 1)
}

/// The usernames of people with passkeys (at most 1,000): who would be locked out by another RP ID.
pub fn owners(tx: &ReadTx<'_>) -> Result<Vec<String>, StoreError> {
    tx.query(&OWNERS, params![])?.iter().map(|r| r.get(0)).collect()
}

/// What a ceremony is for. A challenge of one kind is worth nothing for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ceremony {
    /// Registration.
    Register,
    /// Sign-in, or re-authentication of a signed-in person: both are an assertion.
    Authenticate,
}

impl Ceremony {
    fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Authenticate => "authenticate",
        }
    }
}

/// A pending ceremony.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// What it is for.
    pub kind: Ceremony,
    /// Who it is for, in a registration.
    pub user_id: Option<UserId>,
    /// Until when it counts.
    pub expires_at: Timestamp,
}

/// Stores a pending ceremony, bound to a browser.
pub fn insert_challenge(
    tx: &WriteTx<'_>,
    challenge: &[u8],
    browser_hash: &[u8; 32],
    c: &Challenge,
) -> Result<(), StoreError> {
    tx.queue(
        &INSERT_CHALLENGE,
        params![
            challenge.to_vec(),
            c.kind.as_str(),
            browser_hash.to_vec(),
            c.user_id.as_ref().map(UserId::as_str),
            c.expires_at.millis()
        ],
    )
}

/// Takes the ceremony of a challenge in this browser: any attempt consumes it, whatever comes of it.
pub fn take_challenge(
    tx: &WriteTx<'_>,
    challenge: &[u8],
    browser_hash: &[u8; 32],
) -> Result<Option<Challenge>, StoreError> {
    let rows = tx.query_returning(&TAKE_CHALLENGE, params![challenge.to_vec(), browser_hash.to_vec()])?;
    let Some(row) = rows.first() else { return Ok(None) };
    let kind = if row.get::<String>(0)? == "register" { Ceremony::Register } else { Ceremony::Authenticate };
    Ok(Some(Challenge {
        kind,
        user_id: row.get::<Option<String>>(1)?.map(UserId::new),
        expires_at: Timestamp::from_millis(row.get(2)?),
    }))
}

/// Forgets ceremonies that expired before a moment.
pub fn purge_challenges(tx: &WriteTx<'_>, before: Timestamp) -> Result<u64, StoreError> {
    tx.execute(&PURGE_CHALLENGES, params![before.millis()])
}
