-- What comes with an import from Pocket ID and means something that nothing made here means.

-- Callback entries whose stars in the host reach over dots, as they did there; a JSON list. NULL: none.
ALTER TABLE clients ADD COLUMN legacy_wildcards TEXT;

-- Refresh tokens that were made there, by the part behind their dot.
CREATE TABLE imported_refresh_tokens (
  signature TEXT NOT NULL PRIMARY KEY,
  grant_id TEXT NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
  sequence BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX imported_refresh_tokens_grant_idx ON imported_refresh_tokens (grant_id);
