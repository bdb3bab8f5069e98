-- How a client is told the claims of people, and for how long.

ALTER TABLE clients ADD COLUMN id_token_minutes BIGINT; -- NULL: an hour
ALTER TABLE clients ADD COLUMN claim_mapping TEXT; -- JSON; NULL: as they are
