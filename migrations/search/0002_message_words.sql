-- Words of messages, cut by src/domain/words.ts. `scope` holds site, inbox and conversation as a token each; ids rise with time, so that
-- the newest are found first without sorting.
CREATE TABLE message_docs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  site_id TEXT NOT NULL,
  conversation_id TEXT NOT NULL,
  message_id TEXT NOT NULL,
  UNIQUE (site_id, message_id)
);
CREATE INDEX message_docs_by_conversation ON message_docs (site_id, conversation_id);
CREATE VIRTUAL TABLE message_words USING fts5(scope, body, tokenize = "unicode61 remove_diacritics 0");
