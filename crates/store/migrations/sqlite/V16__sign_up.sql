-- Sign-up and signing in by another device.

-- What lets somebody sign up. Looked up by hash; the sealed value is for lists, which show it again (api.md §11.11).
CREATE TABLE signup_tokens (
  id TEXT NOT NULL PRIMARY KEY,
  token_hash BLOB NOT NULL,
  sealed_token BLOB NOT NULL,
  usage_limit BIGINT NOT NULL,
  usage_count BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX signup_tokens_token_hash_key ON signup_tokens (token_hash);
CREATE INDEX signup_tokens_expires_idx ON signup_tokens (expires_at);

CREATE TABLE signup_token_groups (
  token_id TEXT NOT NULL REFERENCES signup_tokens (id) ON DELETE CASCADE,
  group_id TEXT NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
  PRIMARY KEY (token_id, group_id)
) WITHOUT ROWID;
CREATE INDEX signup_token_groups_group_idx ON signup_token_groups (group_id);

-- Who signed up and waits, disabled, for an administrator's approval.
CREATE TABLE signup_approvals (
  user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  requested_at BIGINT NOT NULL
) WITHOUT ROWID;

-- A browser that waits until somebody lets it in from another device.
CREATE TABLE device_logins (
  code_hash BLOB NOT NULL PRIMARY KEY,
  token_hash BLOB NOT NULL, -- of the waiting browser's cookie
  number BIGINT NOT NULL, -- shown by the waiting browser, typed by who lets it in
  wrong_numbers BIGINT NOT NULL,
  ip_address TEXT NOT NULL,
  user_agent TEXT NOT NULL,
  state TEXT NOT NULL, -- pending | approved | denied | used
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  -- Who let it in, from which session, and whether by its number.
  user_id TEXT REFERENCES users (id) ON DELETE CASCADE,
  session_id TEXT,
  matched BOOLEAN NOT NULL
) WITHOUT ROWID;
CREATE INDEX device_logins_user_idx ON device_logins (user_id);
CREATE INDEX device_logins_session_idx ON device_logins (session_id);
CREATE INDEX device_logins_expires_idx ON device_logins (expires_at);
