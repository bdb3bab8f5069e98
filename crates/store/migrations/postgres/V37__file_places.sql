-- Where the bytes of an upload are: '' here, or the name of a place with the key there.
ALTER TABLE files ADD COLUMN place TEXT NOT NULL DEFAULT '';
ALTER TABLE files ADD COLUMN place_key TEXT NOT NULL DEFAULT '';
ALTER TABLE files ADD COLUMN length BIGINT NOT NULL DEFAULT 0;
ALTER TABLE files ADD COLUMN sha256 TEXT NOT NULL DEFAULT '';

CREATE INDEX files_place_idx ON files (place, place_key);

-- What lies elsewhere and is nobody's: to be removed when it is due. What is about to be written is noted before.
CREATE TABLE file_removals (
  place TEXT NOT NULL,
  place_key TEXT NOT NULL,
  due_at BIGINT NOT NULL,
  PRIMARY KEY (place, place_key)
);

CREATE INDEX file_removals_due_idx ON file_removals (due_at);
