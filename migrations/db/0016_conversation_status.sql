-- How it stands with a conversation, and what it is found by.
ALTER TABLE conversations ADD COLUMN snoozed_until INTEGER;
ALTER TABLE conversations ADD COLUMN priority TEXT;
ALTER TABLE conversations ADD COLUMN assignee_id TEXT;
ALTER TABLE conversations ADD COLUMN labels TEXT NOT NULL DEFAULT '[]';
CREATE INDEX conversations_by_status ON conversations (site_id, status, last_message_at, id);
CREATE INDEX conversations_by_inbox_status ON conversations (site_id, inbox_id, status, last_message_at, id);
CREATE INDEX conversations_by_assignee ON conversations (site_id, assignee_id, status, last_message_at, id)
  WHERE assignee_id IS NOT NULL;

ALTER TABLE contacts ADD COLUMN vip INTEGER NOT NULL DEFAULT 0;
-- What the contact is called where it comes from: the id of a customer in the caller's own database.
ALTER TABLE contacts ADD COLUMN source_id TEXT;
CREATE UNIQUE INDEX contacts_by_source ON contacts (site_id, source_id) WHERE source_id IS NOT NULL;

-- Each assistant has a web chat: an inbox whose messages come by the API.
INSERT INTO inboxes (id, site_id, assistant_id, name, channel_type, address, provider, settings, version, state, verified_at, paused, created_at)
SELECT
  substr(printf('%012x', unixepoch() * 1000), 1, 8) || '-' || substr(printf('%012x', unixepoch() * 1000), 9, 4)
    || '-7' || substr(lower(hex(randomblob(2))), 1, 3) || '-8' || substr(lower(hex(randomblob(2))), 1, 3)
    || '-' || lower(hex(randomblob(6))),
  site_id, id, name, 'web', '', 'custom', '{"v":1}', 1, 'connected', unixepoch() * 1000, 0, unixepoch() * 1000
FROM assistants;
CREATE INDEX inboxes_by_assistant ON inboxes (site_id, assistant_id);

-- Answers to requests that carried an Idempotency-Key, sealed, for a day.
CREATE TABLE idempotency (
  site_id TEXT NOT NULL,
  key_hash TEXT NOT NULL,
  body_hash TEXT NOT NULL,
  status INTEGER,
  answer TEXT,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (site_id, key_hash)
) WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (created_at);
