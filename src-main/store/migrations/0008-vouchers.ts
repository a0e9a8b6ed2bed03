// Version 8: vouchers of pledges, as their makers signed them.
export const sql = `
CREATE TABLE voucher (
  id TEXT PRIMARY KEY,
  serial_number TEXT NOT NULL,
  idevid_issuer BLOB,
  format TEXT NOT NULL,
  bytes BLOB NOT NULL,
  nonce TEXT,
  assertion TEXT,
  created_on INTEGER,
  expires_on INTEGER,
  last_renewal_date INTEGER,
  source TEXT NOT NULL,
  signer TEXT NOT NULL,
  maker_id TEXT,
  masa_url TEXT,
  stored_at INTEGER NOT NULL,
  used_at INTEGER
) STRICT;

CREATE INDEX voucher_serial ON voucher (serial_number, stored_at);
CREATE INDEX voucher_end ON voucher (expires_on) WHERE nonce IS NULL;
CREATE INDEX voucher_answered ON voucher (stored_at) WHERE nonce IS NOT NULL;
`
