// The Resource Directory and the site's interface from the command line: each command a process of its own.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { cli, serve } from '../support/cli.ts'
import { temporaryFolder } from '../support/site-file.ts'

async function site(): Promise<
  (...words: readonly string[]) => Promise<{ readonly exitCode: number | null; readonly value: unknown; readonly text: string }>
> {
  const home = temporaryFolder()
  expect((await cli(home, 'site', 'create', 'office', '--bind', '::1', '--coap-port', '0')).exitCode).toBe(0)
  writeFileSync(join(home, 'lamp.link'), '</temp>;rt=temperature,\n</light>;rt="light dim";if=sensor\n'.replace('\n<', '<'))
  return async (...words) => {
    const { exitCode, stdout, stderr } = await cli(home, '--json', '--site', 'office', ...words)
    return { exitCode, value: stdout === '' ? undefined : (JSON.parse(stdout) as unknown), text: stderr }
  }
}

describe('groupwright rd', () => {
  it('registers, lists, looks up, and removes', async () => {
    const run = await site()
    const lamp = await run(
      'rd',
      'register',
      'lamp',
      '--base',
      'coap://[2001:db8::1]',
      '--sector',
      'f2',
      '--lifetime',
      '600',
      '--links-file',
      'lamp.link',
      '--attribute',
      'et=oic.d.light',
    )
    expect(lamp).toMatchObject({
      exitCode: 0,
      value: { endpointName: 'lamp', sector: 'f2', lifetimeS: 600, endpointType: 'oic.d.light', linkCount: 2 },
    })
    expect((await run('rd', 'register', 'blind', '--base', 'coap://[2001:db8::2]', '--links', '</pos>;rt=position')).exitCode).toBe(0)
    expect((await run('rd', 'register', 'wrong', '--base', 'coap://[2001:db8::2]', '--links', 'none')).value).toMatchObject({
      error: { code: 'rd.links-invalid' },
    })
    expect((await run('rd', 'ls', 'rt=light')).value).toMatchObject([{ endpointName: 'lamp' }])
    expect((await run('rd', 'ls', '--sort', 'endpointName')).value).toMatchObject([{ endpointName: 'blind' }, { endpointName: 'lamp' }])
    expect((await run('rd', 'ls', '--sort', 'colour')).exitCode).toBe(2)
    expect((await run('rd', 'lookup', 'res', 'rt=position')).value).toEqual({ links: '<coap://[2001:db8::2]/pos>;rt="position"', count: 1 })
    expect((await run('rd', 'lookup', 'ep', 'et=oic*')).value).toMatchObject({ count: 1 })
    expect((await run('rd', 'lookup', 'everything')).exitCode).toBe(2)
    expect((await run('rd', 'rm', 'lamp@f2', 'blind')).value).toMatchObject({ removed: { length: 2 } })
    expect((await run('rd', 'rm', 'lamp')).value).toMatchObject({ error: { code: 'rd.not-found' } })
    expect((await run('rd', 'ls')).value).toEqual([])
  }, 60_000)

  it('shows and keeps the policy and the advertisement', async () => {
    const run = await site()
    expect((await run('rd', 'policy')).value).toEqual({ policy: 'open', chosen: false })
    expect((await run('rd', 'policy', 'first-come')).value).toEqual({ policy: 'first-come', chosen: true })
    expect((await run('rd', 'policy')).value).toEqual({ policy: 'first-come', chosen: true })
    expect((await run('rd', 'policy', 'nobody')).exitCode).toBe(2)
    expect((await run('rd', 'advertise', 'on')).value).toEqual({ advertised: true })
    expect((await run('rd', 'advertise')).value).toEqual({ advertised: true })
    expect((await run('rd', 'advertise', 'off')).value).toEqual({ advertised: false })
  }, 60_000)

  it('tells a border router’s operator what to announce (RFC 9176 §4.1.1, Figure 4)', async () => {
    const run = await site()
    expect((await run('rd', 'rdao', '2001:DB8:4::00FF')).value).toEqual({
      address: '2001:db8:4::ff',
      lifetimeS: 90_000,
      hex: `2903000000015f9020010db80004${'0'.repeat(18)}ff`,
    })
    expect((await run('rd', 'rdao', 'fd00::1', '--lifetime', '0')).value).toMatchObject({
      lifetimeS: 0,
      hex: `2903${'0'.repeat(12)}fd00${'0'.repeat(27)}1`,
    })
    expect((await run('rd', 'rdao', '192.0.2.1')).value).toMatchObject({ error: { code: 'rd.parameter-invalid' } })
    expect((await run('rd', 'rdao', 'ff02::fe')).value).toMatchObject({ error: { code: 'rd.parameter-invalid' } })
    // It listens on ::1 alone, which no border router's devices reach.
    expect((await run('rd', 'rdao')).exitCode).toBe(2)
  }, 60_000)

  it('prints the option for people as fields and bytes', async () => {
    const home = temporaryFolder()
    expect((await cli(home, 'site', 'create', 'office', '--bind', '::1', '--coap-port', '0')).exitCode).toBe(0)
    const { stdout } = await cli(home, '--site', 'office', 'rd', 'rdao', 'fd00::1', '--lifetime', '600')
    expect(stdout).toContain('RD address      fd00::1\n')
    expect(stdout).toContain('Valid lifetime  600 s\n')
    expect(stdout).toContain('Bytes           2903000000000258fd00')
  }, 60_000)
})

describe('groupwright site listen', () => {
  it('moves the site to another address and keeps that', async () => {
    const run = await site()
    expect((await run('site', 'interfaces')).value).toContainEqual({
      name: expect.any(String) as unknown,
      address: '127.0.0.1',
      family: 'IPv4',
      internal: true,
    })
    expect((await run('site', 'listen', '127.0.0.1', '0')).value).toMatchObject({
      network: { bindAddress: '127.0.0.1', coapPort: 0 },
      listening: [{ address: '127.0.0.1' }],
    })
    expect((await run('site', 'listen')).value).toMatchObject({ network: { bindAddress: '127.0.0.1', coapPort: 0 } })
    const home = temporaryFolder()
    const serving = await serve(home, '--site', 'busy', '--demo', '1', '--coap-port', '0')
    onTestFinished(async () => {
      await serving.stop()
    })
    const port = serving.ready.listening.find(({ channel }) => channel === 'udp')?.port ?? 0
    expect((await run('site', 'listen', '::1', String(port))).value).toMatchObject({ error: { code: 'network.address-in-use' } })
    expect((await run('site', 'listen', '::1', 'many')).exitCode).toBe(2)
  }, 60_000)
})
