// Loading profiles: what is wrong is told where it is.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError, utf8 } from '#main/base/index.ts'
import { loadProfiles, parseProfile, type ProfileFiles } from '#main/site/devices/index.ts'

const folder = fileURLToPath(new URL('../../../build/profiles', import.meta.url))
const demo = readFileSync(new URL('../../../build/profiles/groupwright-demo.yaml', import.meta.url), 'utf8')

function faultsOf(text: string): ReadonlyArray<{ line: number; column: number; message: string }> {
  try {
    parseProfile('x.yaml', text)
  } catch (thrown) {
    if (!(thrown instanceof AppError)) throw thrown
    expect(thrown.code).toBe('profile.invalid')
    return thrown.details.faults as unknown as ReadonlyArray<{ line: number; column: number; message: string }>
  }
  return []
}

/** The demo profile with one piece replaced, and where that piece stands. */
function broken(piece: string, by: string, pointAt = by): { faults: ReturnType<typeof faultsOf>; line: number; column: number } {
  expect(demo).toContain(piece)
  const text = demo.replace(piece, () => by)
  const offset = demo.indexOf(piece) + by.indexOf(pointAt)
  const before = text.slice(0, offset).split('\n')
  return { faults: faultsOf(text), line: before.length, column: (before.at(-1)?.length ?? 0) + 1 }
}

function memoryFiles(files: Readonly<Record<string, string | Uint8Array>>): ProfileFiles {
  const names = Object.keys(files)
  return {
    readDir: (directory) =>
      Promise.resolve(names.filter((path) => path.startsWith(`${directory}/`)).map((path) => path.slice(directory.length + 1))),
    readFile(path) {
      const content = files[path]
      return content === undefined
        ? Promise.reject(new RangeError('no such file'))
        : Promise.resolve(typeof content === 'string' ? utf8(content) : content)
    },
  }
}

describe('loadProfiles', () => {
  it('loads the profiles that come with the program, without a fault', async () => {
    const { profiles, failures } = await loadProfiles([folder, `${folder}/not-there`])
    expect(failures).toEqual([])
    expect(profiles.map(({ id }) => id)).toContain('groupwright-demo')
  })

  it('lets a later folder replace a profile, and refuses the same id twice in one', async () => {
    const renamed = demo.replace('name: Groupwright demo devices', 'name: Ours')
    const { profiles, failures } = await loadProfiles(
      ['a', 'b'],
      memoryFiles({ 'a/1.yaml': demo, 'a/2.yml': demo, 'b/x.yaml': renamed, 'b/readme.txt': '{' }),
    )
    expect(profiles.map(({ name }) => name)).toEqual(['Ours'])
    expect(failures.map(({ message }) => message)).toEqual(['2.yml:1:1: 1.yaml has the same id "groupwright-demo"'])
  })

  it('goes on with the others when a file is broken, too large or no text', async () => {
    const files = { 'a/1.yaml': ': :', 'a/2.yaml': new Uint8Array([0xff, 0xfe]), 'a/3.yaml': `# ${'x'.repeat(300_000)}`, 'a/4.yaml': demo }
    const { profiles, failures } = await loadProfiles(['a'], memoryFiles(files))
    expect(profiles).toHaveLength(1)
    expect(failures.map(({ details }) => details.file)).toEqual(['1.yaml', '2.yaml', '3.yaml'])
  })
})

describe('a fault in a profile', () => {
  it('is told with line and column', () => {
    const cases = [
      broken('method: GET, path: /dev', 'method: GETT, path: /dev', 'GETT'),
      broken("expect: ['2.04']", 'expect: [2.04]', '2.04'),
      broken("expect: ['2.01', '2.04']", "expect: ['2.01', '9.04']", "'9.04'"),
      broken('serial: /serial', 'serial: sn~', 'sn~'),
      broken('/groups/{group.name}\n', '/groups/{group.nam}\n', '/groups/{group.nam}'),
      broken("p: '{group.port}'", "p: '{seconds}'", "'{seconds}'"),
      broken('id: toggle', 'id: off', 'off'),
      broken('types: [blind]', 'types: [blinds]', 'blinds'),
      broken('identify:\n', 'identity2: 1\nidentify:\n', 'identity2'),
      broken('profile: 1', 'profile: 2', '2'),
      broken('path: /identify', 'path: /iden%74ify', '/iden%74ify'),
      broken('recognise:\n  all:', 'recognise:\n  every:', 'every'),
    ]
    for (const found of cases) {
      expect(found.faults.length, JSON.stringify(found)).toBeGreaterThan(0)
      expect(
        found.faults.map(({ line, column }) => [line, column]),
        JSON.stringify(found),
      ).toContainEqual([found.line, found.column])
    }
  })

  it('is told at the place above it where something is missing', () => {
    const { faults } = broken('\n  read:\n    request: { method: GET, path: /groups }', '\n  read:')
    expect(faults).toHaveLength(1)
    expect(faults[0]?.message).toMatch(/^memberships\.read\.request: /)
    expect(demo.split('\n')[(faults[0]?.line ?? 0) - 1]).toBeDefined()
  })

  it('is told for bad YAML: tabs, twice the same key, anchors that multiply', () => {
    expect(faultsOf('a: 1\na: 2\n')[0]).toMatchObject({ line: 2, column: 1 })
    expect(faultsOf('profile: [1')).not.toEqual([])
    const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefghi'.replace(/./g, (name) => `${name}: &${name} [${`*${String.fromCharCode(name.charCodeAt(0) - 1)},`.repeat(9)}]\n`)}`
    expect(faultsOf(bomb)).not.toEqual([])
  })

  it('cannot have both json and text, nor a lone brace', () => {
    expect(broken("text: '{seconds}'", "text: '{seconds}', json: {}").faults[0]?.message).toMatch(/both json and text/)
    expect(broken("text: '{seconds}'", "text: '{seconds'").faults[0]?.message).toMatch(/lone \{/)
    expect(broken("text: '{seconds}'", "text: '{{seconds}}'").faults).toEqual([])
  })
})

describe('any text', () => {
  it('is a profile or a profile.invalid', () => {
    const piece = fc.constantFrom(
      ...demo.split('\n'),
      'profile: 1',
      '- a',
      '  - b: {',
      '&a',
      '*a',
      '? x',
      '!!binary x',
      '__proto__: 1',
      '\t',
      '---',
      '%YAML 1.2',
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.array(piece).map((lines) => lines.join('\n')),
        ),
        (text) => {
          faultsOf(text)
        },
      ),
      { numRuns: 150 },
    )
  })
})
