-- Which passkey began a session: what was added later must not dismiss what tells of it.

ALTER TABLE sessions ADD COLUMN passkey_id TEXT; -- of the latest sign-in; NULL: none, or before this was noted
