-- When each job of the clock last ran, for GET /health.
CREATE TABLE clock (
  job TEXT PRIMARY KEY,
  last_tick_at INTEGER NOT NULL
) WITHOUT ROWID;
