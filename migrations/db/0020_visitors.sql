-- What a visitor of a web chat says their address is. It proves nothing: answers that they missed are mailed there, and that is all.
ALTER TABLE contacts ADD COLUMN claimed_address TEXT;
-- Addresses that want no such mail, by their SHA-256.
CREATE TABLE opt_outs (
  site_id TEXT NOT NULL,
  address_hash TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (site_id, address_hash)
) WITHOUT ROWID;
