// What the demo site's devices remember over a power cut: one text for each device.
import type { Database } from 'better-sqlite3'
import { guarded } from './sqlite-failure.ts'

/** As the simulator asks for it; its own type stands there, because neither room knows the other. */
export interface DemoMemoryTable {
  load(endpointName: string): string | undefined
  save(endpointName: string, text: string): void
  saveAll(texts: ReadonlyMap<string, string>): void
}

export function createDemoMemory(database: Database): DemoMemoryTable {
  const load = database.prepare<[string], { readonly memory: string }>('SELECT memory FROM demo_device WHERE endpoint_name = ?')
  const save = database.prepare<[string, string]>(
    `INSERT INTO demo_device (endpoint_name, memory) VALUES (?, ?)
     ON CONFLICT (endpoint_name) DO UPDATE SET memory = excluded.memory`,
  )
  const saveAll = database.transaction((texts: ReadonlyMap<string, string>) => {
    for (const [endpointName, text] of texts) save.run(endpointName, text)
  })
  return {
    load: (endpointName) => guarded(() => load.get(endpointName)?.memory),
    save: (endpointName, text) => void guarded(() => save.run(endpointName, text)),
    saveAll: (texts) => {
      guarded(() => saveAll.immediate(texts))
    },
  }
}
