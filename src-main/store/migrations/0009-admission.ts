// Version 9: who may join: pledges with their timelines, the deny list, devices as they were planned, labels with their sealed secrets.
export const sql = `
CREATE TABLE admission_setting (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE admission_pledge (
  key TEXT PRIMARY KEY,
  device_id TEXT,
  last_seen_at INTEGER NOT NULL,
  record TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE admission_denial (
  subject TEXT PRIMARY KEY,
  reason TEXT NOT NULL,
  actor TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE admission_listed (
  device_id TEXT PRIMARY KEY,
  serial TEXT,
  eui64 TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE admission_label (
  id TEXT PRIMARY KEY,
  facts TEXT NOT NULL,
  device_id TEXT,
  sealed BLOB,
  actor TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`
