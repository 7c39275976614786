-- How an inbox was connected. `verified_at`: when a connection test of these settings passed; until then nothing is fetched or sent.
-- `paused` stands beside the state, so that what was known before a pause is known after it.
ALTER TABLE inboxes ADD COLUMN provider TEXT NOT NULL DEFAULT 'custom';
ALTER TABLE inboxes ADD COLUMN verified_at INTEGER;
ALTER TABLE inboxes ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;
UPDATE inboxes SET verified_at = created_at WHERE state <> 'unverified';
UPDATE inboxes SET paused = 1, state = 'connected' WHERE state = 'paused';

-- Every address of ours, aliases too: one inbox each within a site. Email Routing finds the inbox of an address here.
CREATE TABLE inbox_addresses (
  site_id TEXT NOT NULL,
  address TEXT NOT NULL,
  inbox_id TEXT NOT NULL,
  PRIMARY KEY (site_id, address)
) WITHOUT ROWID;
CREATE INDEX inbox_addresses_by_address ON inbox_addresses (address);
CREATE INDEX inbox_addresses_by_inbox ON inbox_addresses (site_id, inbox_id);
INSERT INTO inbox_addresses (site_id, address, inbox_id)
  SELECT site_id, lower(address), id FROM inboxes WHERE channel_type = 'email' ON CONFLICT DO NOTHING;

-- A connection test that passed, good once and for a quarter of an hour; `fingerprint` is a keyed hash of what was tested.
CREATE TABLE connection_tests (
  id TEXT PRIMARY KEY,
  site_id TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX connection_tests_by_expiry ON connection_tests (expires_at);

-- Secrets handed over before what they belong to (seed 001): one per site, type and identifier.
CREATE TABLE secure_tokens (
  site_id TEXT NOT NULL,
  token_type TEXT NOT NULL,
  identifier TEXT NOT NULL,
  sealed TEXT NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (site_id, token_type, identifier)
) WITHOUT ROWID;
