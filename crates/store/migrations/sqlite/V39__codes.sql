-- The check of this key read the end of the index of grants, where every other sign-in writes: PostgreSQL took them for rivals.
-- Whoever removes grants removes their codes before.
CREATE TABLE codes (
  grant_id TEXT NOT NULL PRIMARY KEY,
  code_hash BLOB NOT NULL,
  redirect_uri TEXT NOT NULL,
  redirect_uri_sent BOOLEAN NOT NULL,
  code_challenge TEXT,
  code_challenge_method TEXT,
  expires_at BIGINT NOT NULL,
  used_at BIGINT
) WITHOUT ROWID;
INSERT INTO codes SELECT grant_id, code_hash, redirect_uri, redirect_uri_sent, code_challenge, code_challenge_method, expires_at, used_at
  FROM authorization_codes;
DROP TABLE authorization_codes;
ALTER TABLE codes RENAME TO authorization_codes;
