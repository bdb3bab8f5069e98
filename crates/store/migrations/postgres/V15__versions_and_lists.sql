-- What a person can change has a version, so that nobody overwrites what they have not seen.
ALTER TABLE api_keys ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE passkeys ADD COLUMN version BIGINT NOT NULL DEFAULT 1;

-- Lists: an index for each order and filter, and one with all flags to count by, another with what a search reads.
ALTER TABLE users ADD COLUMN search_key TEXT NOT NULL DEFAULT ''; -- all names and the address, lower case
UPDATE users SET search_key = substr(lower(username || '
' || coalesce(email, '') || '
' || first_name || '
' || last_name || '
' || display_name), 1, 600);
CREATE INDEX users_search_idx ON users (search_key, email_verified, is_admin, disabled);
CREATE INDEX users_email_idx ON users (email_key, created_at);
CREATE INDEX users_first_name_idx ON users (first_name, created_at);
CREATE INDEX users_last_name_idx ON users (last_name, created_at);
CREATE INDEX users_display_name_idx ON users (display_name, created_at);
CREATE INDEX users_flags_idx ON users (email_verified, is_admin, disabled);
CREATE INDEX users_email_verified_idx ON users (email_verified, created_at);
CREATE INDEX users_is_admin_idx ON users (is_admin, created_at);
CREATE INDEX users_disabled_idx ON users (disabled, created_at);

ALTER TABLE user_groups ADD COLUMN member_count BIGINT NOT NULL DEFAULT 0;
UPDATE user_groups SET member_count = (SELECT count(*) FROM user_group_members WHERE group_id = user_groups.id);

-- An entry of the audit log is written at each sign-in. What these three cost it is in docs/performance.md.
CREATE INDEX audit_logs_ip_address_idx ON audit_logs (ip_address, created_at);
CREATE INDEX audit_logs_city_idx ON audit_logs (city, created_at);
CREATE INDEX audit_logs_user_agent_idx ON audit_logs (user_agent, created_at);

-- How many entries there are of a kind, of those before `counted_until`.
CREATE TABLE audit_counts (
  event TEXT NOT NULL,
  client_name TEXT NOT NULL, -- empty: none
  place TEXT NOT NULL, -- internal | external | empty: unknown
  n BIGINT NOT NULL,
  PRIMARY KEY (event, client_name, place)
);
CREATE TABLE audit_counted (
  id BIGINT NOT NULL PRIMARY KEY,
  counted_until BIGINT NOT NULL
);
INSERT INTO audit_counted (id, counted_until) VALUES (1, (SELECT coalesce(max(created_at) + 1, 0) FROM audit_logs));
INSERT INTO audit_counts (event, client_name, place, n)
  SELECT event, coalesce(client_name, ''), CASE WHEN country = 'Internal Network' THEN 'internal' WHEN ip_address <> '' THEN 'external' ELSE '' END, count(*)
  FROM audit_logs GROUP BY 1, 2, 3;
