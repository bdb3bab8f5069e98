-- Signing out: what a session shows, codes that know their session, back-channel logout, the outbox.
-- This file and its SQLite twin differ in BLOB/BYTEA only; a test compares the two schemas.

-- `created_at` is the latest sign-in; a browser's session goes on when the same person signs in again.
ALTER TABLE sessions ADD COLUMN first_seen_at BIGINT; -- NULL: created_at

-- The session that a person made a code from for themselves: the code ends with it.
ALTER TABLE login_codes ADD COLUMN session_id TEXT;
CREATE INDEX login_codes_session_idx ON login_codes (session_id);

ALTER TABLE clients ADD COLUMN backchannel_logout_url TEXT;
ALTER TABLE clients ADD COLUMN backchannel_logout_session_required BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE clients ADD COLUMN backchannel_logout_source TEXT NOT NULL DEFAULT 'none'; -- none | taken_over | set

-- What is to be sent to others: written with its cause in one transaction, delivered by a job.
CREATE TABLE outbox (
  id TEXT NOT NULL PRIMARY KEY, -- the jti of a logout token: the same for each attempt
  kind TEXT NOT NULL, -- backchannel_logout | backchannel_logout_test
  subject TEXT NOT NULL, -- what it is about; one waiting row for each
  client_id TEXT NOT NULL, -- the client may be gone
  payload TEXT NOT NULL, -- JSON object
  state TEXT NOT NULL, -- waiting | delivered | failed | dropped
  attempts BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  attempted_at BIGINT,
  due_at BIGINT, -- while an attempt is under way: when it counts as lost; NULL once it is over
  status BIGINT, -- HTTP status of the last answer
  failure TEXT -- kind of the last failure
);
CREATE INDEX outbox_due_idx ON outbox (due_at);
CREATE INDEX outbox_subject_idx ON outbox (subject);
CREATE INDEX outbox_client_idx ON outbox (client_id, created_at);
