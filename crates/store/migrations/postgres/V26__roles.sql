-- What people and members of groups may do besides what everybody may: names of roles, parted by blanks.

ALTER TABLE users ADD COLUMN roles TEXT NOT NULL DEFAULT '';
ALTER TABLE user_groups ADD COLUMN roles TEXT NOT NULL DEFAULT '';
