-- What a file declares, so that pages and scripts leave it alone and a later file can take it away.
CREATE TABLE declared (
  kind TEXT NOT NULL, -- setting, group, user, client
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  parts TEXT NOT NULL, -- words: fields, groups, claims, secret; none: it was declared once
  PRIMARY KEY (kind, id)
);
