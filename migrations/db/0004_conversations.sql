CREATE TABLE contacts (
  site_id TEXT NOT NULL,
  id TEXT NOT NULL,
  address TEXT,
  name TEXT NOT NULL,
  avatar TEXT,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (site_id, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX contacts_by_address ON contacts (site_id, address);

-- Copies, written by the Conversation object and guarded by its `seq`; they can be rebuilt from the objects.
CREATE TABLE conversations (
  site_id TEXT NOT NULL,
  id TEXT NOT NULL,
  inbox_id TEXT NOT NULL,
  contact_id TEXT NOT NULL,
  title TEXT NOT NULL,
  status TEXT NOT NULL,
  owner TEXT NOT NULL,
  auto_reply_enabled INTEGER NOT NULL,
  linked_to TEXT,
  unread_count INTEGER NOT NULL,
  last_read_at INTEGER,
  last_message_id TEXT,
  last_message_at INTEGER NOT NULL,
  next_due_at INTEGER,
  seq INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (site_id, id)
) WITHOUT ROWID;
CREATE INDEX conversations_by_activity ON conversations (site_id, last_message_at, id);
CREATE INDEX conversations_by_inbox ON conversations (site_id, inbox_id, last_message_at, id);
CREATE INDEX conversations_due ON conversations (next_due_at) WHERE next_due_at IS NOT NULL;

CREATE TABLE messages (
  site_id TEXT NOT NULL,
  conversation_id TEXT NOT NULL,
  position INTEGER NOT NULL,
  id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  direction TEXT NOT NULL,
  sender_kind TEXT NOT NULL,
  sender_id TEXT NOT NULL,
  sender_name TEXT NOT NULL,
  content TEXT NOT NULL,
  details TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (site_id, conversation_id, position)
) WITHOUT ROWID;
CREATE UNIQUE INDEX messages_by_id ON messages (site_id, id);
