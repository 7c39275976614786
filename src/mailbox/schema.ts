/**
 * The schema of a Mailbox object's own SQLite, numbered in its `meta` table: each entry is what one number adds to the one before it.
 * An entry that was released is never changed; what comes next is one more entry. An object is brought up when it is next used, so what
 * an entry does to the rows that are there must be quick and need nobody else.
 */

const SCHEMAS: readonly string[] = [
  // 1: cursors, mails, outbox.
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE folders (
    id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, uid_validity INTEGER NOT NULL, next_uid INTEGER NOT NULL,
    connected_at INTEGER NOT NULL, synced_at INTEGER NOT NULL, rescan_to INTEGER, rescan_good_at INTEGER,
    stuck_uid INTEGER, stuck_times INTEGER NOT NULL DEFAULT 0
  );
  CREATE TABLE mails (
    id TEXT PRIMARY KEY, folder_id INTEGER NOT NULL, uid_validity INTEGER NOT NULL, uid INTEGER NOT NULL, size INTEGER NOT NULL,
    internal_date INTEGER NOT NULL, fetched_at INTEGER NOT NULL, sha TEXT NOT NULL, header_key TEXT NOT NULL,
    extent TEXT NOT NULL, remote TEXT, old_before INTEGER, status TEXT NOT NULL, attempts INTEGER NOT NULL, due_at INTEGER,
    message_id TEXT, conversation_id TEXT, problem TEXT
  ) WITHOUT ROWID;
  CREATE INDEX mails_owed ON mails (due_at, uid) WHERE due_at IS NOT NULL;
  CREATE INDEX mails_by_header ON mails (header_key);
  CREATE TABLE outbox (
    id TEXT PRIMARY KEY, mail TEXT NOT NULL, raw_key TEXT NOT NULL, phase TEXT NOT NULL, attempts INTEGER NOT NULL,
    queued_at INTEGER NOT NULL, due_at INTEGER, problem TEXT, told TEXT
  ) WITHOUT ROWID;
  CREATE INDEX outbox_owed ON outbox (due_at) WHERE due_at IS NOT NULL;
  CREATE TABLE departures (outbox_id TEXT PRIMARY KEY, at INTEGER NOT NULL, recipient TEXT NOT NULL, thread TEXT NOT NULL) WITHOUT ROWID;
  CREATE INDEX departures_at ON departures (at);
  `,
  // 2: the folder of sent mail, by what a mail is found again, what a person sends again, the import of old mail.
  `
  ALTER TABLE folders ADD COLUMN sent INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE folders ADD COLUMN born_uid INTEGER;
  ALTER TABLE mails ADD COLUMN rfc_id TEXT;
  ALTER TABLE mails ADD COLUMN writer TEXT;
  CREATE INDEX mails_by_position ON mails (folder_id, uid_validity, uid);
  CREATE INDEX mails_by_rfc_id ON mails (rfc_id) WHERE rfc_id IS NOT NULL;
  CREATE INDEX mails_by_writer ON mails (writer, internal_date) WHERE writer IS NOT NULL;
  ALTER TABLE outbox ADD COLUMN again INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE outbox ADD COLUMN recipient TEXT;
  ALTER TABLE outbox ADD COLUMN rfc_id TEXT;
  UPDATE outbox SET recipient = lower(trim(json_extract(mail, '$.to.address'))),
    rfc_id = replace(replace(replace(json_extract(mail, '$.rfcId'), '<', ''), '>', ''), ' ', '');
  CREATE INDEX outbox_by_recipient ON outbox (recipient, queued_at);
  CREATE INDEX outbox_by_rfc_id ON outbox (rfc_id);
  CREATE INDEX outbox_untold ON outbox (phase) WHERE told IS NOT phase;
  CREATE TABLE history (uid INTEGER PRIMARY KEY, internal_date INTEGER NOT NULL, header_key TEXT);
  CREATE INDEX history_by_date ON history (internal_date, uid);
  `,
]

/** Whether this object has tables at all: one that nobody connected has none, and asking makes none. */
export function hasSchema(sql: SqlStorage): boolean {
  return sql.exec(`SELECT 1 FROM sqlite_master WHERE name = 'meta'`).toArray().length > 0
}

/** Adds what is missing, from nothing or from any number before; call without an await around it, so that all of it lands or nothing. */
export function bringUp(sql: SqlStorage): void {
  const known = hasSchema(sql) ? schemaOf(sql) : 0
  for (const schema of SCHEMAS.slice(known)) sql.exec(schema)
  if (known < SCHEMAS.length)
    sql.exec(`INSERT OR REPLACE INTO meta (key, value) VALUES ('schema', ?)`, String(SCHEMAS.length))
}

function schemaOf(sql: SqlStorage): number {
  return Number(sql.exec<{ value: string }>(`SELECT value FROM meta WHERE key = 'schema'`).one().value)
}
