-- The check of this key read the end of the index of grants, where every other sign-in writes: PostgreSQL took them for rivals.
-- Whoever removes grants removes their codes before.
ALTER TABLE authorization_codes DROP CONSTRAINT authorization_codes_grant_id_fkey;
