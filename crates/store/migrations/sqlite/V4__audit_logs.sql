-- Audit entries outlive the people they speak of: names are kept in the entry, and nothing refers to `users` any more.
CREATE TABLE audit_entries (
  id TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  event TEXT NOT NULL,
  user_id TEXT,
  username TEXT,
  actor_id TEXT,
  actor_username TEXT,
  client_name TEXT,
  ip_address TEXT NOT NULL,
  user_agent TEXT NOT NULL,
  country TEXT NOT NULL,
  city TEXT NOT NULL,
  data TEXT NOT NULL, -- JSON object of strings
  PRIMARY KEY (created_at, id)
);
INSERT INTO audit_entries (id, created_at, event, user_id, username, actor_id, actor_username, client_name, ip_address, user_agent, country, city, data)
  SELECT id, created_at, event, user_id, (SELECT username FROM users WHERE users.id = audit_logs.user_id), actor_id,
    (SELECT username FROM users WHERE users.id = audit_logs.actor_id), NULL, ip_address, user_agent, country, city, data
  FROM audit_logs;
DROP TABLE audit_logs;
ALTER TABLE audit_entries RENAME TO audit_logs;
CREATE INDEX audit_logs_user_idx ON audit_logs (user_id, created_at);
CREATE INDEX audit_logs_event_idx ON audit_logs (event, created_at);
CREATE INDEX audit_logs_client_idx ON audit_logs (client_name, created_at);
CREATE INDEX audit_logs_country_idx ON audit_logs (country, created_at);
