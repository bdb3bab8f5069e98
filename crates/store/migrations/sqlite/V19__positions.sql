-- People: an index of an order also has what a search and the filters read, so that a page far from both ends is found
-- without looking at those before it.
DROP INDEX users_email_idx;
DROP INDEX users_first_name_idx;
DROP INDEX users_last_name_idx;
DROP INDEX users_display_name_idx;
DROP INDEX users_email_verified_idx;
DROP INDEX users_is_admin_idx;
DROP INDEX users_disabled_idx;
CREATE INDEX users_by_age_idx ON users (created_at, search_key, email_verified, is_admin, disabled);
CREATE INDEX users_username_idx ON users (username_key, created_at, search_key, email_verified, is_admin, disabled);
CREATE INDEX users_email_idx ON users (email_key, created_at, search_key, email_verified, is_admin, disabled);
CREATE INDEX users_first_name_idx ON users (first_name, created_at, search_key, email_verified, is_admin, disabled);
CREATE INDEX users_last_name_idx ON users (last_name, created_at, search_key, email_verified, is_admin, disabled);
CREATE INDEX users_display_name_idx ON users (display_name, created_at, search_key, email_verified, is_admin, disabled);
CREATE INDEX users_email_verified_idx ON users (email_verified, created_at, search_key, is_admin, disabled);
CREATE INDEX users_is_admin_idx ON users (is_admin, created_at, search_key, email_verified, disabled);
CREATE INDEX users_disabled_idx ON users (disabled, created_at, search_key, email_verified, is_admin);

-- The audit log: what a search looks into, of the latest entries only, since it looks no further.
ALTER TABLE audit_logs ADD COLUMN search_key TEXT NOT NULL DEFAULT ''; -- names, address and event, lower case
UPDATE audit_logs SET search_key = substr(lower(coalesce(username, '') || '
' || coalesce(actor_username, '') || '
' || coalesce(client_name, '') || '
' || ip_address || '
' || event), 1, 400)
  WHERE created_at >= (SELECT coalesce((SELECT created_at FROM audit_logs ORDER BY created_at DESC LIMIT 1 OFFSET 49999), 0));
CREATE INDEX audit_logs_search_idx ON audit_logs (created_at, search_key, event, client_name, country, ip_address);

-- Each order of the audit log, cut into ranges of some thousand counted entries, with how many of each kind are in them: the
-- numbers add up to positions. A range begins with its first entry and ends where the next one begins.
CREATE TABLE audit_ranges (
  id BIGINT NOT NULL PRIMARY KEY,
  sorted_by TEXT NOT NULL, -- the column
  value TEXT NOT NULL, -- of that column; empty in the order of `created_at`
  created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX audit_ranges_key ON audit_ranges (sorted_by, value, created_at);
CREATE TABLE audit_range_counts (
  range_id BIGINT NOT NULL REFERENCES audit_ranges (id) ON DELETE CASCADE,
  event TEXT NOT NULL,
  place TEXT NOT NULL, -- as in audit_counts
  n BIGINT NOT NULL,
  PRIMARY KEY (range_id, event, place)
);
INSERT INTO audit_ranges (id, sorted_by, value, created_at) VALUES
  (1, 'created_at', '', 0), (2, 'event', '', 0), (3, 'ip_address', '', 0), (4, 'country', '', 0), (5, 'city', '', 0), (6, 'user_agent', '', 0);

-- The job counts everything again, into the ranges too.
DELETE FROM audit_counts;
UPDATE audit_counted SET counted_until = 0;
