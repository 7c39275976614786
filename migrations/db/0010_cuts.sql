-- A reset is a cut: what this writer sends into this conversation after it goes to the new one.
CREATE TABLE cuts (
  site_id TEXT NOT NULL,
  conversation_id TEXT NOT NULL,
  address TEXT NOT NULL,
  to_conversation_id TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (site_id, conversation_id, address)
) WITHOUT ROWID;

-- Whoever writes to a contact goes on where they were last heard of.
CREATE INDEX conversations_by_contact ON conversations (site_id, contact_id, last_message_at, id);
