-- That people or groups have changed: each change adds a row of its own, so that changes don't wait for each other. A job
-- tells the providers, and takes the rows away.
CREATE TABLE scim_changes (
  id TEXT NOT NULL PRIMARY KEY,
  at BIGINT NOT NULL,
  is_gone BOOLEAN NOT NULL, -- somebody or a group is gone: there is no pause
  client_id TEXT -- NULL: all clients
);

-- Which user manager made a login code or a sign-up token; NULL: an administrator, or nobody in particular. They are good
-- as long as their maker still manages people.
ALTER TABLE login_codes ADD COLUMN maker_id TEXT;
ALTER TABLE signup_tokens ADD COLUMN maker_id TEXT;
