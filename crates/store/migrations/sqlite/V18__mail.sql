-- What mail needs: codes for the browser that asked for them, and proofs of addresses.

ALTER TABLE login_codes ADD COLUMN device_hash BLOB; -- of the browser that asked for a mail; NULL: any may use it

CREATE TABLE email_verifications (
  user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  token_hash BLOB NOT NULL,
  email TEXT NOT NULL, -- the address that it proves
  expires_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX email_verifications_expires_idx ON email_verifications (expires_at);

-- Whose owners are told before they expire.
CREATE INDEX api_keys_expires_idx ON api_keys (expires_at);
