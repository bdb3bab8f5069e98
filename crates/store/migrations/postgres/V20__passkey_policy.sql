-- How a passkey's authenticator is attached, which a policy may ask about. Of passkeys that exist the transports tell.

ALTER TABLE passkeys ADD COLUMN attachment TEXT; -- platform | cross-platform; NULL: nobody said
UPDATE passkeys SET attachment = CASE WHEN transports LIKE '%"internal"%' THEN 'platform' ELSE 'cross-platform' END
  WHERE transports <> '[]';
