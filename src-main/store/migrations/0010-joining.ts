// Version 10: what makers have told of devices that joined (RFC 8995 §5.8).
export const sql = `
CREATE TABLE maker_log (
  pledge_key TEXT PRIMARY KEY,
  told_at INTEGER NOT NULL,
  log TEXT NOT NULL
) STRICT;

CREATE INDEX maker_log_age ON maker_log (told_at);
`
