// The journal and the project after kill -9 at any moment: no edit without its entry, no entry without its edit.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { exported, newWorld, openProject, shown } from './project.ts'

const child = join(import.meta.dirname, 'edit-child.ts')
const KILLS = 6

describe('the journal', () => {
  it('undoes everything to the byte after kill -9 in the middle of edits, and does it again', async () => {
    const world = newWorld()
    let project = openProject(world, undefined, { keys: false })
    const id = project.inventory.create({ name: 'First', type: 'switch', roomId: null, eui64: null, serial: 'S1', comment: '' })
    project.groups.createApplication({ name: 'kept', members: [id] })
    const start = exported(project)
    const { path } = project.file
    project.close()
    for (let kill = 0; kill < KILLS; kill++) {
      const editing = spawn(process.execPath, ['--no-warnings', child, path, String(kill + 1)], { stdio: ['ignore', 'pipe', 'inherit'] })
      const exited = once(editing, 'exit')
      await Promise.race([once(editing.stdout, 'data'), exited])
      await pause(3 + kill * 7)
      editing.kill('SIGKILL')
      await exited
      project = openProject(world, path, { keys: false })
      const end = exported(project)
      const { entries, total } = project.history.list({ offset: 0, limit: 1000 })
      expect(total).toBeGreaterThan(3)
      project.history.undo(entries.at(-1)?.entry)
      expect(exported(project)).toBe(start)
      for (const entry of entries.toReversed().slice(-1)) project.history.redo(entry.entry)
      expect(exported(project)).toBe(end)
      const after = shown(project)
      project.close()
      project = openProject(world, path, { keys: false })
      expect(shown(project)).toEqual(after)
      project.history.undo(project.history.list({ offset: 0, limit: 1000 }).entries.at(-1)?.entry)
      expect(exported(project)).toBe(start)
      project.close()
    }
  }, 120_000)
})
