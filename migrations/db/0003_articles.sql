CREATE TABLE articles (
  id TEXT PRIMARY KEY,
  site_id TEXT NOT NULL,
  assistant_id TEXT NOT NULL,
  title TEXT NOT NULL,
  body TEXT NOT NULL,
  url TEXT,
  language TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX articles_by_assistant ON articles (site_id, assistant_id);
