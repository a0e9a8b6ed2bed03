// Version with the survey: the group table of each device as it was read last.
export const sql = `
CREATE TABLE device_reading (
  device_id TEXT PRIMARY KEY,
  at INTEGER NOT NULL,
  means TEXT NOT NULL,
  entries INTEGER NOT NULL,
  entry_list TEXT NOT NULL
) STRICT, WITHOUT ROWID;
`
