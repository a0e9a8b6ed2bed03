// Version 6: security groups as the project wants them, what protects each application group, what devices were told, and the sealed keys
// that this tool shares with devices.
export const sql = `
CREATE TABLE security_group (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  comment TEXT NOT NULL,
  room_id TEXT,
  suite TEXT NOT NULL,
  policy TEXT NOT NULL,
  automatic INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE group_protection (
  group_id TEXT PRIMARY KEY,
  security_groups TEXT NOT NULL,
  reason TEXT,
  automatic INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE security_member (
  device_id TEXT NOT NULL,
  security_group_id TEXT NOT NULL REFERENCES security_group (id) ON DELETE CASCADE,
  outcome TEXT NOT NULL,
  at INTEGER NOT NULL,
  failure TEXT,
  told TEXT,
  PRIMARY KEY (device_id, security_group_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE device_enrolment (
  device_id TEXT PRIMARY KEY,
  number INTEGER NOT NULL UNIQUE,
  sealed BLOB NOT NULL,
  enrolled_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`
