-- One row per distinct mail of a site: whoever inserts it first has the mail's message and conversation, every other copy of
-- the same mail (another inbox, a redelivery) finds them here.
CREATE TABLE emails (
  site_id TEXT NOT NULL,
  content_key TEXT NOT NULL,
  message_id TEXT NOT NULL,
  conversation_id TEXT NOT NULL,
  contact_id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (site_id, content_key)
) WITHOUT ROWID;

-- RFC 5322 Message-IDs, ours and theirs: an index, never an identity, so one id may stand for several mails.
CREATE TABLE message_ids (
  site_id TEXT NOT NULL,
  rfc_id TEXT NOT NULL,
  message_id TEXT NOT NULL,
  conversation_id TEXT NOT NULL,
  ours INTEGER NOT NULL,
  PRIMARY KEY (site_id, rfc_id, message_id)
) WITHOUT ROWID;

-- Who takes part in a conversation: a reference proposes it, and being here is what lets a writer join it.
CREATE TABLE participants (
  site_id TEXT NOT NULL,
  conversation_id TEXT NOT NULL,
  address TEXT NOT NULL,
  PRIMARY KEY (site_id, conversation_id, address)
) WITHOUT ROWID;
