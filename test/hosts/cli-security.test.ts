// Security groups from the command line: algorithms and policy, the keyring, and keys that a device was given elsewhere.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { cli } from '../support/cli.ts'
import { temporaryFolder } from '../support/site-file.ts'

const SECRET = '0102030405060708090a0b0c0d0e0f10'

describe('groupwright security', () => {
  it('changes algorithms and policy, tells how the keyring is kept, and enrols a device by what stands in a file', async () => {
    const home = temporaryFolder()
    const run = async (exitCode: number, ...words: readonly string[]): Promise<unknown> => {
      const result = await cli(home, '--json', '--coap-port', '0', '--site', 'plan', ...words)
      expect([words, result.exitCode]).toEqual([words, exitCode])
      return JSON.parse(result.stdout === '' ? 'null' : result.stdout)
    }
    await cli(home, 'site', 'create', 'plan', '--bind', '::1', '--coap-port', '0')
    writeFileSync(join(home, 'list.csv'), 'Name;EUI64\nA;0200000000000001\n')
    await run(0, 'devices', 'import', 'list.csv')
    await run(0, 'groups', 'create', 'lights')
    await run(0, 'security', 'create', 'floor-2', 'lights')
    expect(
      await run(0, 'security', 'set', 'floor-2', '--suite', 'p256', '--after-leaves', '4', '--lifetime-days', '7', '--rekey-on-join', 'on'),
    ).toMatchObject({ suite: 'p256', policy: { rekeyOnJoin: true, rekeyAfterLeaves: 4, rekeyWithinMinutes: 10, lifetimeDays: 7 } })
    await run(2, 'security', 'set', 'floor-2', '--suite', 'rot13')
    await run(2, 'security', 'set', 'floor-2', '--after-leaves', '0')

    expect(await run(0, 'security', 'keyring')).toMatchObject({ state: 'ready', protection: 'file', enrolled: 0 })
    writeFileSync(join(home, 'secret.txt'), `${SECRET}\n`)
    await run(2, 'security', 'enrol', 'A', '--device-id', '01', '--tool-id', '01', '--secret-file', 'secret.txt')
    expect(await run(0, 'security', 'enrol', 'A', '--device-id', '01', '--tool-id', '02', '--secret-file', 'secret.txt')).toEqual({
      device: 'A',
      enrolled: true,
    })
    expect(await run(0, 'security', 'keyring')).toMatchObject({ enrolled: 1 })

    await run(0, 'security', 'protect', 'lights', '--nosec', 'read-only temperatures')
    await run(0, 'export', '--format', 'json,csv,report-html', '--out', 'handed')
    const files = readdirSync(join(home, 'handed')).map((name) => readFileSync(join(home, 'handed', name), 'utf8'))
    expect(files.every((text) => !text.includes(SECRET))).toBe(true)
    expect(files.filter((text) => text.includes('read-only temperatures')).length).toBeGreaterThanOrEqual(3)
    expect(files.some((text) => text.includes('"suite": "p256"'))).toBe(true)
  }, 120_000)
})
