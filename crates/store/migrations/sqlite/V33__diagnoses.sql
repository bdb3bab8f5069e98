-- Why sign-ins failed, for administrators: bounded for each client, and ending after a month.
CREATE TABLE diagnoses (
  id TEXT NOT NULL PRIMARY KEY, -- of the fault: the same whenever it happens again
  client_id TEXT REFERENCES clients (id) ON DELETE CASCADE, -- none: of no client that is known
  code TEXT NOT NULL,
  facts TEXT NOT NULL, -- JSON: what is quoted, and the remedy
  times BIGINT NOT NULL,
  first_at BIGINT NOT NULL,
  last_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX diagnoses_client_idx ON diagnoses (client_id, last_at);
CREATE INDEX diagnoses_last_idx ON diagnoses (last_at);
