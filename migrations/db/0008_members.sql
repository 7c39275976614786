-- The people of a site. `inboxes` is a JSON list of the inboxes an agent may see; NULL is all of them.
CREATE TABLE members (
  id TEXT PRIMARY KEY,
  site_id TEXT NOT NULL,
  name TEXT NOT NULL,
  email TEXT NOT NULL,
  role TEXT NOT NULL,
  inboxes TEXT,
  token_hash TEXT,
  token_used_at INTEGER,
  created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX members_by_email ON members (site_id, email);

-- An assistant's key to its model, sealed; everything else about it is in its settings.
ALTER TABLE assistants ADD COLUMN api_key TEXT;
