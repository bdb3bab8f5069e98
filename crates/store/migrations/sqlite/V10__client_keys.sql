-- Clients with keys of their own, pushed requests, tokens bound to keys.

ALTER TABLE clients ADD COLUMN auth_method TEXT; -- NULL: any that it has credentials for
ALTER TABLE clients ADD COLUMN jwks TEXT;
ALTER TABLE clients ADD COLUMN jwks_uri TEXT;
ALTER TABLE clients ADD COLUMN dpop_bound_access_tokens BOOLEAN NOT NULL DEFAULT FALSE;

-- Until the code is redeemed: the key that it is bound to; from then on: the key of the refresh tokens.
ALTER TABLE grants ADD COLUMN dpop_jkt TEXT;

CREATE TABLE pushed_requests (
  name_hash BLOB NOT NULL PRIMARY KEY,
  client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
  parameters TEXT NOT NULL, -- JSON list of pairs
  expires_at BIGINT NOT NULL,
  used_at BIGINT
) WITHOUT ROWID;
CREATE INDEX pushed_requests_client_idx ON pushed_requests (client_id);
CREATE INDEX pushed_requests_expires_idx ON pushed_requests (expires_at);
