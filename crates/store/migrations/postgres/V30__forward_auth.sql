-- Apps without OpenID, behind a reverse proxy that asks before each request whether it may pass.

CREATE TABLE proxied_clients (
  client_id TEXT NOT NULL PRIMARY KEY REFERENCES clients (id) ON DELETE CASCADE,
  settings TEXT NOT NULL -- JSON: hosts, rules, headers
);

-- Which client a request is for.
CREATE TABLE proxied_hosts (
  host TEXT NOT NULL PRIMARY KEY, -- lower case, with the port unless it is the usual one
  client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE
);
CREATE INDEX proxied_hosts_client_idx ON proxied_hosts (client_id);

-- Somebody's session on the host of an app: it hangs on the grant by which they entered, so it ends with that.
CREATE TABLE host_sessions (
  grant_id TEXT NOT NULL PRIMARY KEY REFERENCES grants (id) ON DELETE CASCADE,
  token_hash BYTEA NOT NULL,
  host TEXT NOT NULL,
  expires_at BIGINT NOT NULL
);

-- With them programs sign in where somebody can't (HTTP Basic).
CREATE TABLE app_passwords (
  id TEXT NOT NULL PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  token_hash BYTEA NOT NULL,
  created_at BIGINT NOT NULL,
  last_used_at BIGINT
);
CREATE INDEX app_passwords_user_idx ON app_passwords (user_id, created_at);
CREATE INDEX app_passwords_client_idx ON app_passwords (client_id);
