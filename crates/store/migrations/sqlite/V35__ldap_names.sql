-- The name of the entry that a person or group was read from last: it tells who is gone from who is hidden.
ALTER TABLE users ADD COLUMN ldap_dn TEXT;
ALTER TABLE user_groups ADD COLUMN ldap_dn TEXT;
