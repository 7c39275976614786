-- Contacts that were erased: what a visitor's token still says of them makes them no second time.
CREATE TABLE erased_contacts (
  site_id TEXT NOT NULL,
  id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (site_id, id)
) WITHOUT ROWID;
