-- Synchronisations with a directory (LDAP), and what each did.

CREATE TABLE ldap_runs (
  id TEXT NOT NULL PRIMARY KEY,
  started_at BIGINT NOT NULL,
  ended_at BIGINT, -- NULL: under way, or broken off
  dry BOOLEAN NOT NULL, -- it only looked
  by_hand BOOLEAN NOT NULL, -- an administrator asked for it
  state TEXT NOT NULL, -- running | done | stopped | failed
  phase TEXT NOT NULL, -- reading | people | groups | pictures
  failure TEXT, -- a sentence
  counts TEXT NOT NULL -- a JSON object
);
CREATE INDEX ldap_runs_started_at_idx ON ldap_runs (started_at);

CREATE TABLE ldap_run_entries (
  run_id TEXT NOT NULL REFERENCES ldap_runs (id) ON DELETE CASCADE,
  number BIGINT NOT NULL,
  kind TEXT NOT NULL, -- user | group
  action TEXT NOT NULL,
  name TEXT NOT NULL,
  subject_id TEXT, -- the account or group here, if there is one
  detail TEXT NOT NULL, -- why, or what changed
  PRIMARY KEY (run_id, number)
);
CREATE INDEX ldap_run_entries_action_idx ON ldap_run_entries (run_id, action, number);

-- What a person's picture was made of, so that it is made anew only when that changes.
CREATE TABLE ldap_pictures (
  user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  source TEXT NOT NULL, -- a hash
  made_at BIGINT NOT NULL
) WITHOUT ROWID;
