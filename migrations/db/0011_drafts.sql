-- Drafts that wait for a person are few among all messages, so they have an index of their own.
CREATE INDEX messages_drafts ON messages (site_id, created_at, id) WHERE json_extract(details, '$.delivery.status') = 'draft';
