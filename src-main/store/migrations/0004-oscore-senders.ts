// How far each OSCORE Sender Context has come, and which writer it belongs to: those of an earlier writer are refused for ever, because the
// file was copied or restored since and nobody knows what was sent meanwhile.
export const sql = `
CREATE TABLE oscore_writer (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  epoch TEXT NOT NULL,
  generation INTEGER NOT NULL
) STRICT;

CREATE TABLE oscore_sender (
  context TEXT PRIMARY KEY,
  epoch TEXT NOT NULL,
  next INTEGER NOT NULL CHECK (next BETWEEN 0 AND 1099511627776)
) STRICT, WITHOUT ROWID;
-- Numbers never go back, whoever writes.
CREATE TRIGGER oscore_sender_rises BEFORE UPDATE ON oscore_sender WHEN NEW.next < OLD.next OR NEW.epoch IS NOT OLD.epoch
  BEGIN SELECT RAISE (ABORT, 'sequence numbers only rise'); END;
`
