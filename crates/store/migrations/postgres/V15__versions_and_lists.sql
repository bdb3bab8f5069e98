-- What a person can change has a version, so that nobody overwrites what they have not seen.
ALTER TABLE api_keys ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE passkeys ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
