-- A site is the tenant; every other row carries its id.
CREATE TABLE sites (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  data_key TEXT NOT NULL,
  created_at INTEGER NOT NULL
) WITHOUT ROWID;

-- The secret part of a key is kept as its SHA-256 only.
CREATE TABLE api_keys (
  id TEXT PRIMARY KEY,
  site_id TEXT NOT NULL,
  name TEXT NOT NULL,
  secret_hash TEXT NOT NULL,
  created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX api_keys_by_site ON api_keys (site_id);
