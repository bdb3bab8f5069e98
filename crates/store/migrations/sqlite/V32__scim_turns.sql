-- When the last run of a provider ended: who was served longest ago is next.
ALTER TABLE scim_providers ADD COLUMN ended_at BIGINT NOT NULL DEFAULT 0;
