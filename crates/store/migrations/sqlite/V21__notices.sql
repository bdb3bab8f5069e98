-- What people are told: by mail as they choose, and on their account's page since they last looked.

CREATE TABLE notice_choices (
  user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  refused TEXT NOT NULL, -- a JSON list of the notices that the person does without
  seen_at BIGINT NOT NULL -- until when they have seen what happened to their account
) WITHOUT ROWID;

-- What somebody who signed up waits for: an administrator, the proof of their address, or both.
ALTER TABLE signup_approvals ADD COLUMN for_approval BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE signup_approvals ADD COLUMN for_address BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX signup_approvals_requested_idx ON signup_approvals (for_approval, requested_at);

-- A proof of who can't sign in yet is found by itself.
CREATE UNIQUE INDEX email_verifications_token_hash_key ON email_verifications (token_hash);
