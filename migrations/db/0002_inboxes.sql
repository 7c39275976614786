CREATE TABLE assistants (
  id TEXT PRIMARY KEY,
  site_id TEXT NOT NULL,
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  settings TEXT NOT NULL,
  created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX assistants_by_site ON assistants (site_id);

-- `settings` is JSON with a `v`; passwords are sealed in columns of their own. `version` rises with every change, so that
-- the Mailbox object knows a newer copy.
CREATE TABLE inboxes (
  id TEXT PRIMARY KEY,
  site_id TEXT NOT NULL,
  assistant_id TEXT,
  name TEXT NOT NULL,
  channel_type TEXT NOT NULL,
  address TEXT NOT NULL,
  settings TEXT NOT NULL,
  imap_password TEXT,
  smtp_password TEXT,
  version INTEGER NOT NULL DEFAULT 1,
  state TEXT NOT NULL,
  state_reason TEXT,
  state_at INTEGER,
  created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX inboxes_by_site ON inboxes (site_id);
CREATE INDEX inboxes_by_channel ON inboxes (channel_type, state);
