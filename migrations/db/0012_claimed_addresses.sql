-- Mail that Email Routing hands over goes to one inbox: of several sites that name an address, to whose own it is, then to who named it first.
ALTER TABLE inbox_addresses ADD COLUMN claimed_at INTEGER NOT NULL DEFAULT 0;
