-- How an API reads tokens: in which algorithm, and which client may ask what one is worth.

ALTER TABLE apis ADD COLUMN signing_alg TEXT; -- NULL: that of the client
ALTER TABLE apis ADD COLUMN resource_server_id TEXT REFERENCES clients (id) ON DELETE SET NULL;
CREATE INDEX apis_resource_server_idx ON apis (resource_server_id);
