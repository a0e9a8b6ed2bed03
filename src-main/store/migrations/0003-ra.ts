// Version 3: what the registration authority keeps.
export const sql = `
CREATE TABLE ra_authority (
  id TEXT PRIMARY KEY,
  generation INTEGER NOT NULL UNIQUE,
  state TEXT NOT NULL,
  kind TEXT NOT NULL,
  subject BLOB NOT NULL,
  algorithm TEXT NOT NULL,
  sealed_key BLOB NOT NULL,
  certificate BLOB,
  chain TEXT NOT NULL,
  request BLOB,
  signer_certificate BLOB,
  signer_key BLOB,
  new_with_old BLOB,
  old_with_new BLOB,
  created_at INTEGER NOT NULL
) STRICT;

-- The next serial number that nobody has: one row.
CREATE TABLE ra_serial (id INTEGER PRIMARY KEY CHECK (id = 1), next INTEGER NOT NULL) STRICT;
INSERT INTO ra_serial (id, next) VALUES (1, 1);

CREATE TABLE ra_certificate (
  serial TEXT PRIMARY KEY,
  authority_id TEXT NOT NULL REFERENCES ra_authority (id),
  der BLOB NOT NULL,
  subject TEXT NOT NULL,
  profile TEXT NOT NULL,
  state TEXT NOT NULL,
  requester TEXT NOT NULL,
  reference TEXT,
  device_id TEXT,
  transaction_id TEXT NOT NULL UNIQUE,
  not_before INTEGER NOT NULL,
  not_after INTEGER NOT NULL,
  issued_at INTEGER NOT NULL,
  revoked_at INTEGER,
  reason TEXT,
  replaced_by TEXT,
  replaces TEXT
) STRICT;
CREATE INDEX ra_certificate_by_state ON ra_certificate (state, not_after);
CREATE INDEX ra_certificate_by_device ON ra_certificate (device_id) WHERE device_id IS NOT NULL;

CREATE TABLE ra_transaction (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  requester TEXT NOT NULL,
  reference TEXT,
  device_id TEXT,
  profile TEXT NOT NULL,
  request_hash TEXT NOT NULL,
  request BLOB,
  response BLOB,
  nonce TEXT NOT NULL,
  first_nonce TEXT NOT NULL,
  serial TEXT,
  cert_req_id INTEGER NOT NULL,
  implicit INTEGER NOT NULL,
  subject TEXT NOT NULL,
  key_type TEXT NOT NULL,
  remark TEXT NOT NULL,
  opened_at INTEGER NOT NULL,
  deadline_at INTEGER NOT NULL
) STRICT;
CREATE INDEX ra_transaction_open ON ra_transaction (opened_at) WHERE state IN ('waiting', 'issued');
CREATE INDEX ra_transaction_by_age ON ra_transaction (opened_at);

CREATE TABLE ra_pre_registration (
  reference TEXT PRIMARY KEY,
  sealed_secret BLOB,
  identities TEXT NOT NULL,
  names TEXT NOT NULL,
  profile TEXT,
  device_id TEXT,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  used_at INTEGER
) STRICT;
CREATE TABLE ra_identity (
  identity TEXT NOT NULL,
  reference TEXT NOT NULL REFERENCES ra_pre_registration (reference) ON DELETE CASCADE,
  PRIMARY KEY (identity, reference)
) STRICT, WITHOUT ROWID;

CREATE TABLE ra_crl (
  authority_id TEXT PRIMARY KEY REFERENCES ra_authority (id),
  number INTEGER NOT NULL,
  der BLOB NOT NULL,
  this_update INTEGER NOT NULL,
  next_update INTEGER NOT NULL
) STRICT;

CREATE TABLE ra_history (
  id INTEGER PRIMARY KEY,
  serial TEXT NOT NULL,
  at INTEGER NOT NULL,
  event TEXT NOT NULL,
  actor TEXT NOT NULL,
  remark TEXT NOT NULL
) STRICT;
CREATE INDEX ra_history_by_serial ON ra_history (serial);
`
