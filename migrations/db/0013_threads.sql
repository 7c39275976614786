-- Ids that mails of a conversation cite and no mail of ours has: should such a mail come late, it finds them here. An edge, never a claim.
CREATE TABLE cited_ids (
  site_id TEXT NOT NULL,
  rfc_id TEXT NOT NULL,
  writer TEXT NOT NULL,
  conversation_id TEXT NOT NULL,
  PRIMARY KEY (site_id, rfc_id, writer, conversation_id)
) WITHOUT ROWID;
CREATE INDEX cited_ids_by_conversation ON cited_ids (site_id, conversation_id);

-- Conversations that turned out to be one. What was the loser's is the winner's; an id that was given out leads there for ever.
CREATE TABLE merges (
  site_id TEXT NOT NULL,
  loser_id TEXT NOT NULL,
  winner_id TEXT NOT NULL,
  at INTEGER NOT NULL,
  -- When the loser's object was told; until then the clock tells it again.
  told_at INTEGER,
  PRIMARY KEY (site_id, loser_id)
) WITHOUT ROWID;
CREATE INDEX merges_by_winner ON merges (site_id, winner_id);
CREATE INDEX merges_untold ON merges (site_id, at) WHERE told_at IS NULL;
CREATE INDEX cuts_by_target ON cuts (site_id, to_conversation_id);

-- Who wrote in a conversation, among those who take part: nobody is brought among strangers by a merge.
ALTER TABLE participants ADD COLUMN wrote INTEGER NOT NULL DEFAULT 0;
UPDATE participants SET wrote = 1 WHERE EXISTS (
  SELECT 1 FROM contacts c JOIN emails e ON e.site_id = c.site_id AND e.contact_id = c.id
  WHERE c.site_id = participants.site_id AND c.address = participants.address AND e.conversation_id = participants.conversation_id);

CREATE INDEX emails_by_conversation ON emails (site_id, conversation_id);
CREATE INDEX message_ids_by_conversation ON message_ids (site_id, conversation_id);

-- Of a conversation that was erased: its mails' keys stay, so that the same mail is never taken for a new one.
ALTER TABLE emails ADD COLUMN erased_at INTEGER;

-- Message-IDs of our own mail in erased conversations: its copies in the folder of sent mail are known again, and not taken in.
CREATE TABLE erased_ids (
  site_id TEXT NOT NULL,
  rfc_id TEXT NOT NULL,
  PRIMARY KEY (site_id, rfc_id)
) WITHOUT ROWID;

-- Addresses that mail servers refused for good; machines write to them no more until somebody hears from them again.
CREATE TABLE bounced_addresses (
  site_id TEXT NOT NULL,
  address TEXT NOT NULL,
  status TEXT,
  message_id TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (site_id, address)
) WITHOUT ROWID;

-- Mails that could not be read, for a second try after an upgrade.
CREATE INDEX messages_quarantined ON messages (site_id, created_at, id) WHERE json_extract(details, '$.quarantine.code') IS NOT NULL;
