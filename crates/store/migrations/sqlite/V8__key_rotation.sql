-- A retired key is published until the last token that it signed has expired.
ALTER TABLE signing_keys ADD COLUMN publish_until BIGINT;
