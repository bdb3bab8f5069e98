-- The rest of OAuth 2.0: APIs in grants, the window of grace of refresh tokens, single access tokens given back.

-- `revoked_by` may be `client` as well: who has the tokens gave them back.
ALTER TABLE grants ADD COLUMN resource TEXT; -- the API that its tokens are for; NULL: the client itself

ALTER TABLE refresh_tokens ADD COLUMN used_with TEXT; -- what the client proved itself with when it was rotated
ALTER TABLE refresh_tokens ADD COLUMN access_ended_at BIGINT; -- the access token alone was revoked

-- Tokens that count once, or no more, by a hash of their maker and id.
CREATE TABLE used_tokens (
  key TEXT NOT NULL PRIMARY KEY,
  expires_at BIGINT NOT NULL
);
CREATE INDEX used_tokens_expires_idx ON used_tokens (expires_at);
