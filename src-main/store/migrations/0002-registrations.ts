// Registrations without indexes of their own: the directory has them all in memory and knows each by its position, so that a new one
// is written at the end of one table, whatever its name, and a commit of many is little more than their bytes.
export const sql = `
CREATE TABLE registration_by_position (
  position INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  endpoint_name TEXT NOT NULL,
  sector TEXT NOT NULL,
  base TEXT NOT NULL,
  base_explicit INTEGER NOT NULL,
  lifetime_s INTEGER NOT NULL,
  registered_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  attributes TEXT NOT NULL,
  links TEXT NOT NULL,
  source TEXT NOT NULL
) STRICT;
INSERT INTO registration_by_position
  SELECT rowid, id, endpoint_name, sector, base, base_explicit, lifetime_s, registered_at, expires_at, attributes, links, source
  FROM registration ORDER BY rowid;
DROP TABLE registration;
ALTER TABLE registration_by_position RENAME TO registration;
`
