// Properties of undo and redo over random edits of a whole project, on a real site file.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import '../../support/property-seed.ts'
import { edit, fact, happen, make } from './edits.ts'
import { exported, newWorld, openProject, reopened, shown, type Project } from './project.ts'

function undoAll({ history }: Project): number {
  let undone = 0
  for (; history.list({ offset: 0, limit: 1000 }).entries.some(({ state }) => state === 'done'); undone++) history.undo()
  return undone
}

function redoAll({ history }: Project): void {
  while (history.list({ offset: 0, limit: 1000 }).entries.some(({ state }) => state === 'undone')) history.redo()
}

describe('undo', () => {
  it('restores byte-identical exports from any edits, and redo what they came to; after a restart as well', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(edit, { maxLength: 12 }),
        fc.array(edit, { minLength: 1, maxLength: 14 }),
        fc.boolean(),
        async (before, edits, restart) => {
          const world = newWorld()
          let project = openProject(world)
          for (const one of before) make(project, one)
          await world.clock.advance(1000)
          // What was done before a moment stays: only what follows is undone.
          const kept = project.history.list({ offset: 0, limit: 1 }).total
          const start = exported(project)
          for (const one of edits) make(project, one)
          const end = exported(project)
          if (restart) project = reopened(world, project)
          const { total, entries } = project.history.list({ offset: 0, limit: 1000 })
          const first = entries[total - kept - 1]
          if (first === undefined) expect(end).toBe(start)
          else {
            project.history.undo(first.entry)
            expect(exported(project)).toBe(start)
            const afterUndo = shown(project)
            if (restart) {
              project = reopened(world, project)
              expect(shown(project)).toEqual(afterUndo)
            }
            redoAll(project)
            expect(exported(project)).toBe(end)
            const afterRedo = shown(project)
            project = reopened(world, project)
            expect(shown(project)).toEqual(afterRedo)
          }
          project.close()
        },
      ),
      { numRuns: 60 },
    )
  }, 240_000)

  it('never rolls facts back: what devices hold stays on record, and the plan leads from there to the wish', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof({ weight: 3, arbitrary: edit }, { weight: 1, arbitrary: fact }), { minLength: 1, maxLength: 25 }),
        async (steps) => {
          const world = newWorld()
          let project = openProject(world)
          for (const one of steps) {
            if (one.kind === 'apply' || one.kind === 'hear' || one.kind === 'time') await happen(project, one)
            else make(project, one)
          }
          undoAll(project)
          const afterUndo = shown(project)
          project = reopened(world, project)
          expect(shown(project)).toEqual(afterUndo)
          for (let round = 0; round < 3 && project.groups.applyItems().length > 0; round++) await happen(project, { kind: 'apply' })
          expect(project.groups.applyItems()).toEqual([])
          // Nobody holds what the project does not want, as far as the project still knows of the device.
          for (const device of project.inventory.all()) {
            if (device.at === null) continue
            const held = [...project.fake(device.at.address).table.keys()].sort()
            const wanted = project.groups.book
              .cellsOfDevice(device.id)
              .flatMap(({ desired, groupId }) => (desired ? (project.groups.book.target(groupId)?.name ?? []) : []))
            for (const name of wanted) expect(held).toContain(name)
          }
          redoAll(project)
          const afterRedo = shown(project)
          project = reopened(world, project)
          expect(shown(project)).toEqual(afterRedo)
          project.close()
        },
      ),
      { numRuns: 60 },
    )
  }, 240_000)
})
