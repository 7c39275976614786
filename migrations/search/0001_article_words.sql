-- Words cut by src/domain/words.ts, the same for index and query. `scope` holds the assistant's id as one token, so that the
-- index itself keeps assistants apart. An ordinary FTS5 table refuses UPSERT: a changed article is deleted and inserted.
CREATE TABLE article_docs (
  id INTEGER PRIMARY KEY,
  article_id TEXT NOT NULL UNIQUE,
  site_id TEXT NOT NULL
);
CREATE VIRTUAL TABLE article_words USING fts5(scope, title, body, tokenize = "unicode61 remove_diacritics 0");
