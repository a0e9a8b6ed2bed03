// Version 12: who writes to the site, where it is sent to, what is under way there and what has arrived.
export const sql = `
CREATE TABLE writer_lease (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  epoch INTEGER NOT NULL,
  holder TEXT NOT NULL,
  since INTEGER NOT NULL,
  state TEXT NOT NULL
) STRICT;

CREATE TABLE push_target (
  id TEXT PRIMARY KEY,
  settings TEXT NOT NULL,
  sealed BLOB,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE push_parcel (
  sha256 TEXT NOT NULL,
  name TEXT NOT NULL,
  content_type TEXT NOT NULL,
  bytes BLOB NOT NULL,
  PRIMARY KEY (sha256, name)
) STRICT;

CREATE TABLE push_delivered (
  target_id TEXT NOT NULL REFERENCES push_target (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  etag TEXT,
  at INTEGER NOT NULL,
  PRIMARY KEY (target_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE push_job (
  job_id TEXT PRIMARY KEY,
  target_id TEXT NOT NULL REFERENCES push_target (id) ON DELETE CASCADE,
  revision INTEGER NOT NULL,
  at INTEGER NOT NULL
) STRICT;
`
