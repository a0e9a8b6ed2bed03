// Version 5: security groups, their members, who may join them, and access tokens. Keys and secrets are sealed before they come here.
export const sql = `
CREATE TABLE gm_group (
  name TEXT PRIMARY KEY,
  configuration TEXT NOT NULL,
  gid BLOB NOT NULL UNIQUE,
  generation INTEGER NOT NULL,
  sealed_keys BLOB NOT NULL,
  credential BLOB NOT NULL,
  stale_sets TEXT NOT NULL,
  rekeyed_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  algorithms_since INTEGER NOT NULL,
  leaves_waiting INTEGER NOT NULL,
  first_leave_at INTEGER,
  newcomers TEXT NOT NULL
) STRICT, WITHOUT ROWID;
-- Versions of keying material only rise.
CREATE TRIGGER gm_group_rises BEFORE UPDATE ON gm_group WHEN NEW.generation < OLD.generation
  BEGIN SELECT RAISE (ABORT, 'keying material only rises'); END;

CREATE TABLE gm_member (
  group_name TEXT NOT NULL REFERENCES gm_group (name) ON DELETE CASCADE,
  identity TEXT NOT NULL,
  node TEXT NOT NULL,
  sender_id BLOB,
  credential BLOB,
  roles TEXT NOT NULL,
  scope BLOB NOT NULL,
  client_nonce BLOB NOT NULL,
  control TEXT,
  context TEXT NOT NULL,
  address TEXT NOT NULL,
  port INTEGER NOT NULL,
  zone TEXT,
  channel TEXT NOT NULL,
  joined_at INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  keys TEXT NOT NULL,
  PRIMARY KEY (group_name, identity),
  UNIQUE (group_name, node),
  UNIQUE (group_name, sender_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE gm_authorisation (
  identity TEXT PRIMARY KEY,
  groups TEXT NOT NULL,
  admin TEXT NOT NULL,
  proven TEXT NOT NULL,
  not_after INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE gm_grant (
  id BLOB PRIMARY KEY,
  identity TEXT NOT NULL,
  scope BLOB NOT NULL,
  expires_at INTEGER NOT NULL,
  sealed_material BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Between the built-in authorisation server and the Group Manager: one row.
CREATE TABLE gm_token_key (id INTEGER PRIMARY KEY CHECK (id = 1), sealed_key BLOB NOT NULL) STRICT;
`
