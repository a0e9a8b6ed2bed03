// Version 11: the journal of project edits. An entry is one action of a person, a change one row as it was and as it became.
export const sql = `
CREATE TABLE history_entry (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  op TEXT NOT NULL,
  -- done, undone; final: cannot be undone
  state TEXT NOT NULL,
  counts TEXT NOT NULL,
  name TEXT
) STRICT;

CREATE TABLE history_change (
  entry_id INTEGER NOT NULL REFERENCES history_entry (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  kind TEXT NOT NULL,
  row_key TEXT NOT NULL,
  before TEXT,
  after TEXT,
  PRIMARY KEY (entry_id, position)
) STRICT, WITHOUT ROWID;
`
