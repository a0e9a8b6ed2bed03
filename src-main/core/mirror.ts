// Feeds that outlive a site: the window follows these, an open site's own feeds are piped into them.
import type { KeyedFeed } from '#main/base/index.ts'

/** Copies the source into the target and keeps it there; the returned function ends it and empties the target. */
export function mirror<Row>(source: KeyedFeed<Row>, target: KeyedFeed<Row>): () => void {
  target.reset(source.rows())
  const end = source.subscribe((keys) => {
    const present: Row[] = []
    const gone: string[] = []
    for (const key of keys) {
      const row = source.get(key)
      if (row === undefined) gone.push(key)
      else present.push(row)
    }
    target.setAll(present)
    target.delete(gone)
  })
  return () => {
    end()
    target.reset([])
  }
}
