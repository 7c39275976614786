-- Attachments that were uploaded before the message they belong to; what no message takes within a day is deleted.
CREATE TABLE uploads (
  site_id TEXT NOT NULL,
  id TEXT NOT NULL,
  filename TEXT NOT NULL,
  content_type TEXT NOT NULL,
  size INTEGER NOT NULL,
  message_id TEXT,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (site_id, id)
) WITHOUT ROWID;
CREATE INDEX uploads_untaken ON uploads (created_at) WHERE message_id IS NULL;
