//! Apps behind a reverse proxy: their hosts, the sessions that people have there, and app passwords.

use pid_core::forward_auth::{ForwardAuth, Origin};
use pid_core::handle::{self, Handle};
use pid_core::users::User;
use pid_core::{ClientId, GrantId, GroupId, SessionId, Timestamp, UserId};

use crate::users::{self, user_columns};
use crate::{ReadTx, Row, StoreError, WriteTx, params, statements};

statements! {
    SETTINGS = "SELECT settings FROM proxied_clients WHERE client_id = $1";
    PUT_SETTINGS = "INSERT INTO proxied_clients (client_id, settings) VALUES ($1, $2) ON CONFLICT (client_id) DO UPDATE SET settings = $2";
    CLEAR_HOSTS = "DELETE FROM proxied_hosts WHERE client_id = $1";
    ADD_HOST = "INSERT INTO proxied_hosts (host, client_id) VALUES ($1, $2)";
    HOST_OWNER = "SELECT client_id FROM proxied_hosts WHERE host = $1";
    DROP_SESSIONS = "DELETE FROM host_sessions WHERE grant_id IN (SELECT id FROM grants WHERE client_id = $1) \
        AND host NOT IN (SELECT host FROM proxied_hosts WHERE client_id = $1)";

    APP = "SELECT clients.id, clients.name, clients.signing_alg, clients.is_group_restricted, proxied_clients.settings \
        FROM proxied_hosts JOIN proxied_clients ON proxied_clients.client_id = proxied_hosts.client_id \
        JOIN clients ON clients.id = proxied_hosts.client_id WHERE proxied_hosts.host = $1";
    // Whatever ends a session, a grant or an account ends what hangs on it: everything is looked at each time.
    VISITOR = concat!("SELECT ", user_columns!(), ", grants.session_id FROM host_sessions \
        JOIN grants ON grants.id = host_sessions.grant_id JOIN sessions ON sessions.id = grants.session_id JOIN users ON users.id = grants.user_id \
        WHERE host_sessions.grant_id = $1 AND host_sessions.token_hash = $2 AND host_sessions.host = $3 AND host_sessions.expires_at > $4 \
        AND grants.client_id = $5 AND grants.revoked_at IS NULL AND sessions.user_id = grants.user_id AND sessions.ended_at IS NULL");
    GROUPS = "SELECT user_groups.id, user_groups.name FROM user_group_members JOIN user_groups ON user_groups.id = user_group_members.group_id \
        WHERE user_group_members.user_id = $1 ORDER BY user_groups.name";
    ALLOWED = "SELECT group_id FROM client_groups WHERE client_id = $1";
    INSERT_SESSION = "INSERT INTO host_sessions (grant_id, token_hash, host, expires_at) VALUES ($1, $2, $3, $4)";

    GROUP_BY_NAME = "SELECT id FROM user_groups WHERE name = $1";

    INSERT_PASSWORD = "INSERT INTO app_passwords (id, user_id, client_id, name, token_hash, created_at) VALUES ($1, $2, $3, $4, $5, $6)";
    PASSWORD_OWNER = concat!("SELECT ", user_columns!(), " FROM app_passwords JOIN users ON users.id = app_passwords.user_id \
        WHERE app_passwords.id = $1 AND app_passwords.token_hash = $2 AND app_passwords.client_id = $3");
    PASSWORD_USED = "UPDATE app_passwords SET last_used_at = $3 WHERE id = $1 AND token_hash = $2 AND (last_used_at IS NULL OR last_used_at < $3)";
    PASSWORDS = "SELECT app_passwords.id, app_passwords.client_id, clients.name, app_passwords.name, app_passwords.created_at, app_passwords.last_used_at \
        FROM app_passwords JOIN clients ON clients.id = app_passwords.client_id WHERE app_passwords.user_id = $1 ORDER BY app_passwords.created_at, app_passwords.id";
    DELETE_PASSWORD = "DELETE FROM app_passwords WHERE id = $1 AND user_id = $2";
    OFFERING = "SELECT clients.id, clients.name, clients.is_group_restricted, proxied_clients.settings FROM proxied_clients \
        JOIN clients ON clients.id = proxied_clients.client_id ORDER BY clients.name, clients.id";
}

fn settings(text: &str) -> Result<ForwardAuth, StoreError> {
    // What can't be read must not become what everybody may enter.
    serde_json::from_str(text).map_err(|e| StoreError::Other(format!("the settings of a proxied client: {e}")))
}

/// How a client is protected; `None` for clients of other types.
pub fn settings_of(tx: &ReadTx<'_>, client: &ClientId) -> Result<Option<ForwardAuth>, StoreError> {
    let Some(row) = tx.query_opt(&SETTINGS, params![client.as_str()])? else { return Ok(None) };
    settings(&row.get::<String>(0)?).map(Some)
}

/// Stores how a client is protected, with its hosts. Sessions on hosts that it has no more are gone.
pub fn put_settings(tx: &WriteTx<'_>, client: &ClientId, settings: &ForwardAuth) -> Result<(), StoreError> {
    let text = serde_json::to_string(settings).map_err(|e| StoreError::Other(e.to_string()))?;
    tx.execute(&PUT_SETTINGS, params![client.as_str(), text])?;
    tx.execute(&CLEAR_HOSTS, params![client.as_str()])?;
    for origin in settings.origins() {
        tx.execute(&ADD_HOST, params![origin.key(), client.as_str()])?;
    }
    tx.execute(&DROP_SESSIONS, params![client.as_str()])?;
    Ok(())
}

/// Whose a host is.
pub fn host_owner(tx: &ReadTx<'_>, host: &str) -> Result<Option<ClientId>, StoreError> {
    tx.query_opt(&HOST_OWNER, params![host])?.map(|row| Ok(ClientId::new(row.get::<String>(0)?))).transpose()
}

/// The id of a group by its name.
pub fn group_by_name(tx: &ReadTx<'_>, name: &str) -> Result<Option<GroupId>, StoreError> {
    tx.query_opt(&GROUP_BY_NAME, params![name])?.map(|row| Ok(GroupId::new(row.get::<String>(0)?))).transpose()
}

/// The app of a host.
#[derive(Clone, Debug)]
pub struct ProxiedApp {
    /// `client_id`.
    pub client_id: ClientId,
    /// Its name.
    pub name: String,
    /// The algorithm of its assertions; `None`: the default.
    pub signing_alg: Option<String>,
    /// Whether only members of the allowed groups may enter.
    pub is_group_restricted: bool,
    /// How it is protected; the groups of its rules by id.
    pub settings: ForwardAuth,
    /// The address of the host that was asked for.
    pub origin: Origin,
}

/// The app of a host, by the host's key.
pub fn app(tx: &ReadTx<'_>, host: &str) -> Result<Option<ProxiedApp>, StoreError> {
    let Some(row) = tx.query_opt(&APP, params![host])? else { return Ok(None) };
    let settings = settings(&row.get::<String>(4)?)?;
    let Some(origin) = settings.origin(host) else { return Ok(None) };
    Ok(Some(ProxiedApp {
        client_id: ClientId::new(row.get::<String>(0)?),
        name: row.get(1)?,
        signing_alg: row.get(2)?,
        is_group_restricted: row.get(3)?,
        settings,
        origin,
    }))
}

/// Who has a session on a host by this cookie, with the session that it hangs on. Not those who are disabled.
pub fn visitor(
    tx: &ReadTx<'_>,
    app: &ProxiedApp,
    cookie: &str,
    now: Timestamp,
) -> Result<Option<(User, SessionId)>, StoreError> {
    let Some(handle) = handle::read(cookie) else { return Ok(None) };
    let found = tx.query_opt(
        &VISITOR,
        params![handle.id, handle.hash.to_vec(), app.origin.key(), now.millis(), app.client_id.as_str()],
    )?;
    let Some(row) = found else { return Ok(None) };
    let user = users::from_row(&row)?;
    Ok((!user.disabled).then_some((user, SessionId::new(row.get::<String>(users::COLUMNS)?))))
}

/// The ids and names of a person's groups, by name.
pub fn groups(tx: &ReadTx<'_>, user: &UserId) -> Result<Vec<(String, String)>, StoreError> {
    tx.query(&GROUPS, params![user.as_str()])?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// The ids of the groups that may enter a client.
pub fn allowed(tx: &ReadTx<'_>, client: &ClientId) -> Result<Vec<String>, StoreError> {
    tx.query(&ALLOWED, params![client.as_str()])?.iter().map(|row| row.get(0)).collect()
}

/// Stores a session on a host under the hash of its cookie's value.
pub fn insert_session(
    tx: &WriteTx<'_>,
    grant: &GrantId,
    token_hash: &[u8; 32],
    host: &str,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(&INSERT_SESSION, params![grant.as_str(), token_hash.to_vec(), host, expires_at.millis()])?;
    Ok(())
}

/// An app password as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppPassword {
    /// UUID.
    pub id: String,
    /// Where it lets in.
    pub client_id: ClientId,
    /// The name of that.
    pub client_name: String,
    /// What it is for.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

/// Stores an app password under its hash.
pub fn insert_password(
    tx: &WriteTx<'_>,
    id: &str,
    owner: &UserId,
    client: &ClientId,
    name: &str,
    token_hash: &[u8; 32],
    now: Timestamp,
) -> Result<(), StoreError> {
    let values = params![id, owner.as_str(), client.as_str(), name, token_hash.to_vec(), now.millis()];
    tx.execute(&INSERT_PASSWORD, values)?;
    Ok(())
}

/// Whose an app password is that lets into a client. Not those who are disabled.
pub fn password_owner(tx: &ReadTx<'_>, password: &Handle, client: &ClientId) -> Result<Option<User>, StoreError> {
    let found = tx.query_opt(&PASSWORD_OWNER, params![password.id.as_str(), password.hash.to_vec(), client.as_str()])?;
    Ok(found.as_ref().map(users::from_row).transpose()?.filter(|user| !user.disabled))
}

/// Notes that an app password was used.
pub fn password_used(tx: &WriteTx<'_>, password: &Handle, at: Timestamp) -> Result<(), StoreError> {
    tx.execute(&PASSWORD_USED, params![password.id.as_str(), password.hash.to_vec(), at.millis()])?;
    Ok(())
}

fn password(row: &Row) -> Result<AppPassword, StoreError> {
    Ok(AppPassword {
        id: row.get(0)?,
        client_id: ClientId::new(row.get::<String>(1)?),
        client_name: row.get(2)?,
        name: row.get(3)?,
        created_at: Timestamp::from_millis(row.get(4)?),
        last_used_at: row.get::<Option<i64>>(5)?.map(Timestamp::from_millis),
    })
}

/// A person's app passwords, the oldest first.
pub fn passwords(tx: &ReadTx<'_>, owner: &UserId) -> Result<Vec<AppPassword>, StoreError> {
    tx.query(&PASSWORDS, params![owner.as_str()])?.iter().map(password).collect()
}

/// Deletes an app password of somebody. Tells whether it was there.
pub fn delete_password(tx: &WriteTx<'_>, id: &str, owner: &UserId) -> Result<bool, StoreError> {
    Ok(tx.execute(&DELETE_PASSWORD, params![id, owner.as_str()])? == 1)
}

/// The apps that take app passwords: id, name, and whether they are restricted to groups.
pub fn taking_passwords(tx: &ReadTx<'_>) -> Result<Vec<(ClientId, String, bool)>, StoreError> {
    let mut found = Vec::new();
    for row in tx.query(&OFFERING, params![])? {
        if settings(&row.get::<String>(3)?)?.app_passwords {
            found.push((ClientId::new(row.get::<String>(0)?), row.get(1)?, row.get(2)?));
        }
    }
    Ok(found)
}
