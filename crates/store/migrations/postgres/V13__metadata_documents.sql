-- Clients known by their metadata document.

ALTER TABLE clients ADD COLUMN grant_types TEXT; -- JSON list of grants that it declares; NULL: all
ALTER TABLE clients ADD COLUMN metadata_expires_at BIGINT; -- until when its document counts
