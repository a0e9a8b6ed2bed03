// Version 7: transactions of the registration authority with servers above it.
export const sql = `
CREATE TABLE ra_upstream (
  id TEXT PRIMARY KEY,
  server TEXT NOT NULL,
  requester TEXT NOT NULL,
  operation TEXT NOT NULL,
  state TEXT NOT NULL,
  request_hash TEXT NOT NULL,
  sealed BLOB,
  fail_info TEXT,
  why TEXT NOT NULL,
  until_at INTEGER NOT NULL
) STRICT;
CREATE INDEX ra_upstream_by_end ON ra_upstream (until_at);

-- How the messages of a transaction are protected: all of them alike.
ALTER TABLE ra_transaction ADD COLUMN protection TEXT;

-- By which credential a certificate was first had, over all renewals: what one device or person may have is counted by it.
ALTER TABLE ra_certificate ADD COLUMN holder TEXT;
UPDATE ra_certificate SET holder = json_extract(requester, '$.key');
CREATE INDEX ra_certificate_by_holder ON ra_certificate (holder, issued_at);
`
