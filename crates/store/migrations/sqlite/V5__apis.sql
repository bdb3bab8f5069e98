-- APIs (resource servers), their permissions, and what clients may ask of them.
CREATE TABLE apis (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  resource TEXT NOT NULL,
  allow_cimd_clients BOOLEAN NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  version BIGINT NOT NULL
);
CREATE UNIQUE INDEX apis_resource_key ON apis (resource);
CREATE INDEX apis_name_idx ON apis (name, id);

CREATE TABLE api_permissions (
  id TEXT NOT NULL PRIMARY KEY,
  api_id TEXT NOT NULL REFERENCES apis (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT,
  allowed_for_cimd_clients BOOLEAN NOT NULL,
  place BIGINT NOT NULL -- order within the API
);
CREATE UNIQUE INDEX api_permissions_key_key ON api_permissions (api_id, key);

-- Access of a client to an API for a kind of subject (user | client), with or without permissions.
CREATE TABLE api_grants (
  client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
  api_id TEXT NOT NULL REFERENCES apis (id) ON DELETE CASCADE,
  subject TEXT NOT NULL,
  PRIMARY KEY (client_id, api_id, subject)
);
CREATE INDEX api_grants_api_idx ON api_grants (api_id, client_id);

CREATE TABLE api_grant_permissions (
  client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
  permission_id TEXT NOT NULL REFERENCES api_permissions (id) ON DELETE CASCADE,
  subject TEXT NOT NULL,
  PRIMARY KEY (client_id, permission_id, subject)
);
CREATE INDEX api_grant_permissions_permission_idx ON api_grant_permissions (permission_id);
