// The first schema of a site file. Times are milliseconds since the Unix epoch; JSON columns hold canonical JSON text.
export const sql = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE room (
  id TEXT PRIMARY KEY,
  parent_id TEXT REFERENCES room (id),
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  position INTEGER NOT NULL
) STRICT;

CREATE TABLE device (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  type TEXT NOT NULL,
  room_id TEXT REFERENCES room (id) ON DELETE SET NULL,
  state TEXT NOT NULL,
  state_at INTEGER NOT NULL,
  state_source TEXT NOT NULL,
  eui64 TEXT UNIQUE,
  serial TEXT UNIQUE,
  model TEXT,
  profile_id TEXT,
  endpoint_name TEXT,
  address TEXT,
  port INTEGER,
  zone TEXT,
  channel_id TEXT,
  last_heard_at INTEGER,
  comment TEXT NOT NULL
) STRICT;

CREATE TABLE device_links (
  device_id TEXT PRIMARY KEY REFERENCES device (id) ON DELETE CASCADE,
  link_format TEXT NOT NULL
) STRICT;

CREATE TABLE device_event (
  sequence INTEGER PRIMARY KEY,
  device_id TEXT NOT NULL REFERENCES device (id) ON DELETE CASCADE,
  at INTEGER NOT NULL,
  source TEXT NOT NULL,
  event TEXT NOT NULL,
  params TEXT NOT NULL,
  failure TEXT
) STRICT;
CREATE INDEX device_event_by_device ON device_event (device_id, sequence);

CREATE TABLE coap_group (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  address TEXT NOT NULL,
  port INTEGER NOT NULL,
  allocated INTEGER NOT NULL,
  UNIQUE (address, port)
) STRICT;

CREATE TABLE application_group (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  coap_group_id TEXT NOT NULL REFERENCES coap_group (id),
  room_id TEXT REFERENCES room (id) ON DELETE SET NULL,
  comment TEXT NOT NULL,
  retired INTEGER NOT NULL
) STRICT;

CREATE TABLE membership (
  device_id TEXT NOT NULL REFERENCES device (id) ON DELETE CASCADE,
  group_id TEXT NOT NULL REFERENCES application_group (id) ON DELETE CASCADE,
  desired INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  at INTEGER NOT NULL,
  source TEXT NOT NULL,
  failure TEXT,
  applied_name TEXT,
  applied_address TEXT,
  applied_port INTEGER,
  PRIMARY KEY (device_id, group_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX membership_by_group ON membership (group_id);

CREATE TABLE test_run (
  id TEXT PRIMARY KEY,
  group_id TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE INDEX test_run_by_time ON test_run (started_at);

CREATE TABLE job (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  title TEXT NOT NULL,
  state TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  finished_at INTEGER,
  retry_of TEXT
) STRICT;

CREATE TABLE job_item (
  job_id TEXT NOT NULL REFERENCES job (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  subject TEXT NOT NULL,
  label TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  at INTEGER,
  failure TEXT,
  PRIMARY KEY (job_id, position)
) STRICT, WITHOUT ROWID;

-- Resource Directory (RFC 9176): one row for each registration.
CREATE TABLE registration (
  id TEXT PRIMARY KEY,
  endpoint_name TEXT NOT NULL,
  sector TEXT NOT NULL,
  base TEXT NOT NULL,
  base_explicit INTEGER NOT NULL,
  lifetime_s INTEGER NOT NULL,
  registered_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  attributes TEXT NOT NULL,
  links TEXT NOT NULL,
  source TEXT NOT NULL,
  UNIQUE (endpoint_name, sector)
) STRICT;

CREATE TABLE export (
  handle TEXT PRIMARY KEY,
  format TEXT NOT NULL,
  path TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  at INTEGER NOT NULL,
  revision INTEGER NOT NULL
) STRICT;

-- Who did what: append-only, each entry holds the hash of the one before.
CREATE TABLE audit (
  sequence INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  details TEXT NOT NULL,
  previous_hash TEXT NOT NULL,
  hash TEXT NOT NULL
) STRICT;
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE (ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE (ABORT, 'audit is append-only'); END;
-- REPLACE deletes without the trigger above.
CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE sequence >= NEW.sequence)
  BEGIN SELECT RAISE (ABORT, 'audit is append-only'); END;

-- What the demo site's devices remember over a power cut.
CREATE TABLE demo_device (endpoint_name TEXT PRIMARY KEY, memory TEXT NOT NULL) STRICT, WITHOUT ROWID;
`
