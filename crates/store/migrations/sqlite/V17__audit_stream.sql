-- The audit log: how many failures of an address are written down within an hour, and what its stream has still to
-- deliver.

CREATE TABLE audit_quotas (
  event TEXT NOT NULL,
  address TEXT NOT NULL, -- empty: all of them
  ends_at BIGINT NOT NULL,
  written BIGINT NOT NULL,
  skipped BIGINT NOT NULL,
  PRIMARY KEY (event, address)
);
CREATE INDEX audit_quotas_ends_idx ON audit_quotas (ends_at);

-- A row for each entry, from its transaction until somebody has taken it.
CREATE TABLE audit_stream (
  entry_at BIGINT NOT NULL,
  entry_id TEXT NOT NULL,
  PRIMARY KEY (entry_at, entry_id)
);
