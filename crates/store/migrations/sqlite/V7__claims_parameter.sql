-- The `claims` parameter of an authorization request (OpenID Connect Core §5.5), as it was sent.
ALTER TABLE grants ADD COLUMN claims TEXT;
