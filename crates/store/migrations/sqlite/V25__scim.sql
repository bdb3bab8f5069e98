-- Provisioning by SCIM: where a client's people and groups are written to, and what was written there.

CREATE TABLE scim_providers (
  id TEXT NOT NULL PRIMARY KEY,
  client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
  endpoint TEXT NOT NULL,
  sealed_token BLOB, -- NULL: none
  deactivates BOOLEAN NOT NULL, -- who leaves is deactivated there, never deleted
  created_at BIGINT NOT NULL,
  version BIGINT NOT NULL,
  last_synced_at BIGINT, -- of the last run without a failure
  full_at BIGINT NOT NULL, -- when everything is compared next
  not_before BIGINT NOT NULL, -- after failures: until when nothing is tried
  failures BIGINT NOT NULL, -- runs in a row
  first_change_at BIGINT, -- of changes here that no run has seen yet; NULL: none
  last_change_at BIGINT,
  holder TEXT NOT NULL, -- the run under way; empty: none
  held_until BIGINT NOT NULL,
  started_at BIGINT, -- of the run under way
  report TEXT NOT NULL -- of the last run, JSON; empty: none yet
);
CREATE UNIQUE INDEX scim_providers_client_id_key ON scim_providers (client_id);

CREATE TABLE scim_resources (
  provider_id TEXT NOT NULL REFERENCES scim_providers (id) ON DELETE CASCADE,
  kind TEXT NOT NULL, -- user | group
  local_id TEXT NOT NULL, -- of a person or group that may be gone here
  remote_id TEXT, -- NULL: not known
  state TEXT NOT NULL, -- pending | there | off | refused
  created BOOLEAN NOT NULL, -- by us; what was there before is never deleted
  name TEXT NOT NULL, -- as it was sent
  digest BLOB, -- of what was sent
  stamp TEXT, -- the version that it became there
  failure TEXT, -- kind of the last attempt's failure
  status BIGINT, -- its HTTP status
  PRIMARY KEY (provider_id, kind, local_id)
) WITHOUT ROWID;
