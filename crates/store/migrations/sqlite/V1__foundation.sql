-- The foundation: people, passkeys, sessions, clients, grants, keys, audit.
-- Times are Unix milliseconds (UTC). Ids are text. Lists and maps are JSON text.
-- This file and its PostgreSQL twin differ in BLOB/BYTEA and WITHOUT ROWID only; a test compares the two schemas.
-- Small rows with few indexes are WITHOUT ROWID: one tree instead of two, so a commit writes fewer pages.

-- One row per fact about this installation: instance_id, key_check.
CREATE TABLE instance (
  key TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
);

-- Settings that differ from their default.
CREATE TABLE settings (
  key TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
);

-- One counter per cached family (settings, keys): raised in the transaction that changes it.
CREATE TABLE versions (
  name TEXT NOT NULL PRIMARY KEY,
  version BIGINT NOT NULL
);

-- Who runs a job now. Taken by conditional UPDATE.
CREATE TABLE leases (
  name TEXT NOT NULL PRIMARY KEY,
  holder TEXT NOT NULL,
  held_until BIGINT NOT NULL
);

CREATE TABLE signing_keys (
  kid TEXT NOT NULL PRIMARY KEY,
  alg TEXT NOT NULL,
  state TEXT NOT NULL, -- next | active | retired | revoked
  public_jwk TEXT NOT NULL,
  sealed_private BLOB NOT NULL,
  created_at BIGINT NOT NULL,
  activated_at BIGINT,
  retired_at BIGINT
);

CREATE TABLE users (
  id TEXT NOT NULL PRIMARY KEY,
  username TEXT NOT NULL,
  username_key TEXT NOT NULL, -- lower case
  email TEXT,
  email_key TEXT, -- lower case, NFC; NULL for imported duplicates
  email_verified BOOLEAN NOT NULL,
  first_name TEXT NOT NULL,
  last_name TEXT NOT NULL,
  display_name TEXT NOT NULL,
  is_admin BOOLEAN NOT NULL,
  disabled BOOLEAN NOT NULL,
  locale TEXT,
  ldap_id TEXT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  version BIGINT NOT NULL
);
CREATE UNIQUE INDEX users_username_key ON users (username_key);
CREATE UNIQUE INDEX users_email_key ON users (email_key);
CREATE UNIQUE INDEX users_ldap_id_key ON users (ldap_id);
CREATE INDEX users_created_at_idx ON users (created_at, id);

CREATE TABLE user_groups (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  friendly_name TEXT NOT NULL,
  ldap_id TEXT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  version BIGINT NOT NULL
);
CREATE UNIQUE INDEX user_groups_name_key ON user_groups (name);
CREATE UNIQUE INDEX user_groups_ldap_id_key ON user_groups (ldap_id);
CREATE INDEX user_groups_created_at_idx ON user_groups (created_at, id);

CREATE TABLE user_group_members (
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  group_id TEXT NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
  PRIMARY KEY (user_id, group_id)
);
CREATE INDEX user_group_members_group_idx ON user_group_members (group_id, user_id);

CREATE TABLE user_claims (
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (user_id, key)
);

CREATE TABLE group_claims (
  group_id TEXT NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (group_id, key)
);

CREATE TABLE passkeys (
  id TEXT NOT NULL PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  credential_id BLOB NOT NULL,
  public_key BLOB NOT NULL, -- COSE_Key
  alg BIGINT NOT NULL, -- COSE algorithm identifier
  aaguid TEXT NOT NULL,
  sign_count BIGINT NOT NULL,
  transports TEXT NOT NULL, -- JSON list
  attestation_type TEXT NOT NULL,
  user_verified BOOLEAN NOT NULL,
  backup_eligible BOOLEAN NOT NULL,
  backup_state BOOLEAN NOT NULL,
  created_at BIGINT NOT NULL,
  last_used_at BIGINT
);
CREATE UNIQUE INDEX passkeys_credential_id_key ON passkeys (credential_id);
CREATE INDEX passkeys_user_idx ON passkeys (user_id, created_at);

-- Browser sessions. The cookie's value is never stored, only its SHA-256. `id` is the `sid` of tokens.
CREATE TABLE sessions (
  id TEXT NOT NULL PRIMARY KEY,
  token_hash BLOB NOT NULL,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  began_by TEXT NOT NULL, -- passkey | setup | signup | admin_code | cli_code | mail_code | self_code | device
  amr TEXT NOT NULL, -- JSON list
  auth_time BIGINT NOT NULL,
  interaction_id TEXT, -- the interaction inside which the sign-in was made
  ip_address TEXT NOT NULL,
  user_agent TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  last_seen_at BIGINT NOT NULL,
  ended_at BIGINT
);
CREATE INDEX sessions_user_idx ON sessions (user_id, created_at);
CREATE INDEX sessions_expires_idx ON sessions (expires_at);

-- Pending WebAuthn ceremonies: deleted by any attempt, bound to kind and browser.
CREATE TABLE webauthn_challenges (
  challenge BLOB NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL, -- register | authenticate
  browser_hash BLOB NOT NULL,
  user_id TEXT, -- who registers; gone with their sessions
  expires_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX webauthn_challenges_expires_idx ON webauthn_challenges (expires_at);

-- Proofs of a fresh passkey ceremony, single use.
CREATE TABLE reauthentications (
  token_hash BLOB NOT NULL PRIMARY KEY,
  session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  authenticated_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  used_at BIGINT
);
CREATE INDEX reauthentications_session_idx ON reauthentications (session_id);
CREATE INDEX reauthentications_user_idx ON reauthentications (user_id);
CREATE INDEX reauthentications_expires_idx ON reauthentications (expires_at);

CREATE TABLE login_codes (
  id TEXT NOT NULL PRIMARY KEY,
  code_hash BLOB NOT NULL,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  made_by TEXT NOT NULL, -- admin | cli | mail | self
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  used_at BIGINT
);
CREATE UNIQUE INDEX login_codes_code_hash_key ON login_codes (code_hash);
CREATE INDEX login_codes_user_idx ON login_codes (user_id);
CREATE INDEX login_codes_expires_idx ON login_codes (expires_at);

-- Failures counted against guessing; rows, so that they hold across replicas. A token bucket in one
-- number: the moment at which the bucket will be full again.
CREATE TABLE guess_budgets (
  scope TEXT NOT NULL,
  subject TEXT NOT NULL,
  full_at BIGINT NOT NULL,
  PRIMARY KEY (scope, subject)
);
CREATE INDEX guess_budgets_full_at_idx ON guess_budgets (full_at);

CREATE TABLE clients (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  callback_urls TEXT NOT NULL,
  logout_callback_urls TEXT NOT NULL,
  launch_url TEXT,
  is_public BOOLEAN NOT NULL,
  pkce_enabled BOOLEAN NOT NULL,
  pkce_supported BOOLEAN NOT NULL,
  requires_reauthentication BOOLEAN NOT NULL,
  requires_pushed_authorization_requests BOOLEAN NOT NULL,
  skip_consent BOOLEAN NOT NULL,
  is_group_restricted BOOLEAN NOT NULL,
  client_type TEXT NOT NULL,
  signing_alg TEXT, -- NULL: the instance's default
  access_token_minutes BIGINT NOT NULL,
  refresh_token_minutes BIGINT NOT NULL,
  federated_identities TEXT NOT NULL,
  has_logo BOOLEAN NOT NULL,
  has_dark_logo BOOLEAN NOT NULL,
  created_by TEXT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  version BIGINT NOT NULL
);
CREATE INDEX clients_name_idx ON clients (name, id);
CREATE INDEX clients_created_at_idx ON clients (created_at, id);

CREATE TABLE client_secrets (
  id TEXT NOT NULL PRIMARY KEY,
  client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
  algorithm TEXT NOT NULL, -- sha256 | bcrypt (imported)
  hash BLOB NOT NULL,
  prefix TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT
);
CREATE INDEX client_secrets_client_idx ON client_secrets (client_id, created_at);

CREATE TABLE client_groups (
  client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
  group_id TEXT NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
  PRIMARY KEY (client_id, group_id)
);
CREATE INDEX client_groups_group_idx ON client_groups (group_id, client_id);

-- Pictures and other uploads, by path ("oidc-client-images/<id>").
CREATE TABLE files (
  path TEXT NOT NULL PRIMARY KEY,
  content_type TEXT NOT NULL,
  content BLOB NOT NULL,
  updated_at BIGINT NOT NULL
);

CREATE TABLE consents (
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
  keys TEXT NOT NULL, -- JSON list of consent keys
  created_at BIGINT NOT NULL,
  last_used_at BIGINT NOT NULL,
  PRIMARY KEY (user_id, client_id)
) WITHOUT ROWID;
CREATE INDEX consents_client_idx ON consents (client_id);

-- An authorization request that waits for a person. Bound to the browser that made it.
CREATE TABLE interactions (
  id TEXT NOT NULL PRIMARY KEY,
  browser_hash BLOB NOT NULL,
  client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
  user_id TEXT REFERENCES users (id) ON DELETE CASCADE,
  parameters TEXT NOT NULL, -- JSON object
  scopes TEXT NOT NULL, -- space separated
  authentication_required BOOLEAN NOT NULL,
  account_selection_required BOOLEAN NOT NULL,
  reauthentication_required BOOLEAN NOT NULL,
  consent_required BOOLEAN NOT NULL,
  requested_at BIGINT NOT NULL,
  reauthenticated_at BIGINT,
  expires_at BIGINT NOT NULL
);
CREATE INDEX interactions_client_idx ON interactions (client_id);
CREATE INDEX interactions_user_idx ON interactions (user_id);
CREATE INDEX interactions_expires_idx ON interactions (expires_at);

-- One authorization of one client by one person: the family of its code and tokens.
CREATE TABLE grants (
  id TEXT NOT NULL PRIMARY KEY,
  client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  session_id TEXT NOT NULL, -- sid; the session's row may be gone
  scopes TEXT NOT NULL,
  nonce TEXT,
  acr TEXT,
  amr TEXT NOT NULL,
  auth_time BIGINT NOT NULL,
  requested_at BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  revoked_at BIGINT,
  revoked_by TEXT -- code_reuse | refresh_reuse | sign_out | consent | admin
);
CREATE INDEX grants_user_idx ON grants (user_id);
CREATE INDEX grants_client_idx ON grants (client_id);
CREATE INDEX grants_expires_idx ON grants (expires_at);

CREATE TABLE authorization_codes (
  grant_id TEXT NOT NULL PRIMARY KEY REFERENCES grants (id) ON DELETE CASCADE,
  code_hash BLOB NOT NULL,
  redirect_uri TEXT NOT NULL,
  redirect_uri_sent BOOLEAN NOT NULL,
  code_challenge TEXT,
  code_challenge_method TEXT,
  expires_at BIGINT NOT NULL,
  used_at BIGINT
) WITHOUT ROWID;

-- A refresh token and the access token that was issued with it.
CREATE TABLE refresh_tokens (
  grant_id TEXT NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
  sequence BIGINT NOT NULL,
  token_hash BLOB NOT NULL,
  jti TEXT NOT NULL,
  expires_at BIGINT NOT NULL,
  used_at BIGINT,
  PRIMARY KEY (grant_id, sequence)
) WITHOUT ROWID;
CREATE UNIQUE INDEX refresh_tokens_jti_key ON refresh_tokens (jti);

CREATE TABLE audit_logs (
  id TEXT NOT NULL PRIMARY KEY,
  created_at BIGINT NOT NULL,
  event TEXT NOT NULL,
  user_id TEXT REFERENCES users (id) ON DELETE CASCADE,
  actor_id TEXT,
  ip_address TEXT NOT NULL,
  user_agent TEXT NOT NULL,
  country TEXT NOT NULL,
  city TEXT NOT NULL,
  data TEXT NOT NULL -- JSON object of strings
);
CREATE INDEX audit_logs_created_idx ON audit_logs (created_at, id);
CREATE INDEX audit_logs_user_idx ON audit_logs (user_id, created_at);
