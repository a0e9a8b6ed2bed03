// Checks of groups, their names and their addresses from the command line.
import { describe, expect, it } from 'vitest'
import { cli } from '../support/cli.ts'
import { temporaryFolder } from '../support/site-file.ts'

describe('groupwright check, naming and addressing', () => {
  it('tell findings with exit code 3 for errors, fix them when told to, and set names and addresses', async () => {
    const home = temporaryFolder()
    const run = async (exitCode: number, ...words: readonly string[]): Promise<unknown> => {
      const result = await cli(home, '--json', '--coap-port', '0', '--site', 'plan', ...words)
      expect([words, result.exitCode]).toEqual([words, exitCode])
      return JSON.parse(result.stdout === '' ? 'null' : result.stdout)
    }
    await cli(home, 'site', 'create', 'plan', '--bind', '::1', '--coap-port', '0')
    await run(0, 'groups', 'create', 'lights')
    expect(await run(0, 'check')).toMatchObject([{ rule: 'group-without-members', severity: 'warning' }])
    expect(await run(0, 'check', 'ls', '--severity', 'error')).toEqual([])

    expect(await run(0, 'naming', 'set', 'host', '--domain', 'b6.example', '--template', '{floor}-{function}')).toMatchObject({
      method: 'host',
      delimiter: 'gp',
      domain: 'b6.example',
    })
    expect(await run(3, 'check', 'ls', '--severity', 'error')).toMatchObject([{ rule: 'naming-without-dns' }])
    expect(await run(0, 'check', 'fix', 'naming-without-dns *', 'name-by-path')).toMatchObject({
      effect: expect.stringContaining('path') as unknown,
    })
    expect(await run(0, 'naming')).toMatchObject({ method: 'host' })
    await run(0, 'check', 'fix', 'naming-without-dns *', 'name-by-path', '--yes')
    expect(await run(0, 'naming')).toMatchObject({ method: 'path', domain: 'b6.example', template: '{floor}-{function}' })
    await run(1, 'check', 'fix', 'naming-without-dns *', 'name-by-path', '--yes')
    await run(2, 'naming', 'set', 'smoke-signals')
    expect(await run(0, 'naming', 'preview', 'lights')).toHaveLength(9)

    expect(await run(0, 'addressing', 'set', 'list', '--list', 'ff35::8000:1-ff35::8000:4')).toMatchObject({ policy: 'list', port: 5683 })
    await run(1, 'addressing', 'set', '--list', 'fd00::1')
    await run(2, 'addressing', 'set', 'pigeons')
    expect(await run(0, 'addressing')).toMatchObject({ allocation: { policy: 'list', list: ['ff35::8000:1-ff35::8000:4'] }, held: [] })
    await run(0, 'addressing', 'release', 'ff35::8000:1')
    expect(await run(0, 'check')).toMatchObject([{ rule: 'group-without-members' }, { rule: 'address-outside-policy' }])
  }, 240_000)
})
