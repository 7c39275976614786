-- Webhooks of a site (src/store/endpoints.ts). `kind` is events, or reply for the one of an assistant, whose id is `reply-<assistant>` and
-- whose address is in the assistant's settings. `types` and `inboxes` are JSON lists (NULL inboxes: all), `secrets` a JSON list of sealed
-- secrets, the newest first. `state` is active, paused or off; the last with a reason. `next_due_at` is for the clock's watchdog.
CREATE TABLE endpoints (
  site_id TEXT NOT NULL,
  id TEXT NOT NULL,
  kind TEXT NOT NULL,
  assistant_id TEXT,
  description TEXT NOT NULL DEFAULT '',
  url TEXT NOT NULL DEFAULT '',
  types TEXT NOT NULL DEFAULT '["*"]',
  inboxes TEXT,
  secrets TEXT NOT NULL,
  settings TEXT NOT NULL DEFAULT '{"v":1}',
  state TEXT NOT NULL DEFAULT 'active',
  state_reason TEXT,
  state_at INTEGER,
  version INTEGER NOT NULL DEFAULT 1,
  next_due_at INTEGER,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (site_id, id)
) WITHOUT ROWID;
CREATE INDEX endpoints_due ON endpoints (next_due_at) WHERE next_due_at IS NOT NULL;
