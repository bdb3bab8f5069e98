-- Device authorizations (RFC 8628): one row for a device that polls and a person who decides.

CREATE TABLE device_authorizations (
  id TEXT NOT NULL PRIMARY KEY,
  device_code_hash BLOB NOT NULL,
  user_code_hash BLOB NOT NULL,
  client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
  scopes TEXT NOT NULL,
  resource TEXT,
  nonce TEXT,
  code_challenge TEXT,
  code_challenge_method TEXT,
  ip_address TEXT NOT NULL, -- of the device
  user_agent TEXT NOT NULL,
  state TEXT NOT NULL, -- pending | approved | denied | redeemed
  requested_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  polled_at BIGINT,
  interval_secs BIGINT NOT NULL,
  -- What was approved; kept as long as its tokens, so that a second redemption is seen.
  grant_id TEXT REFERENCES grants (id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE UNIQUE INDEX device_authorizations_user_code_hash_key ON device_authorizations (user_code_hash);
CREATE INDEX device_authorizations_client_idx ON device_authorizations (client_id);
CREATE INDEX device_authorizations_grant_idx ON device_authorizations (grant_id);
CREATE INDEX device_authorizations_expires_idx ON device_authorizations (expires_at);
