// The directory over real UDP against libcoap's coap-client: register, look up, update, remove, also block by block.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { formatSocketAddress, silentLogger, systemClock, systemRandom } from '#main/base/index.ts'
import { createResourceDirectory, type ResourceDirectory } from '#main/services/rd/index.ts'
import { CoapEndpoint, parseLinkFormat, ResourceTree } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { MemoryRegistrationStore } from '../services/rd/harness.ts'
import { COAP_CLIENT, describeWithPeer, run } from '../support/peers.ts'
import { temporaryFolder } from '../support/site-file.ts'

interface Reply {
  /** `2.05`; undefined when nothing was answered. */
  readonly code: string | undefined
  readonly location: string | undefined
  readonly body: string
}

/** Runs coap-client; its log tells code and options of the last response, a file takes the body. */
async function runClient(program: string, uri: string, args: readonly string[]): Promise<Reply> {
  const output = join(temporaryFolder(), 'body')
  const { stdout, stderr } = await run(program, ['-v', '7', '-B', '10', '-o', output, ...args, uri])
  const log = `${new TextDecoder().decode(stdout)}\n${stderr}`.split('\n')
  const last = log.filter((line) => /c:[245]\.\d\d/.test(line) && !line.includes('c:2.31')).at(-1) ?? ''
  const location = [...last.matchAll(/Location-Path:([^,\s\]]+)/g)].map((match) => match[1] ?? '')
  return {
    code: /c:([245]\.\d\d)/.exec(last)?.[1],
    location: location.length === 0 ? undefined : `/${location.join('/')}`,
    body: existsSync(output) ? readFileSync(output, 'utf8') : '',
  }
}

describeWithPeer('coap-client and the directory', COAP_CLIENT, (program) => {
  describe.each(['::1', '127.0.0.1'])('at %s', (bindAddress) => {
    const coapClient = (uri: string, ...args: readonly string[]): Promise<Reply> => runClient(program, uri, args)

    let origin = ''
    let directory: ResourceDirectory
    const closing: Array<() => void | Promise<void>> = []

    beforeAll(async () => {
      const channel = await openUdpChannel({ bindAddress, port: 0, logger: silentLogger })
      const tree = new ResourceTree()
      const endpoint = new CoapEndpoint({ channel, tree, clock: systemClock, random: systemRandom, logger: silentLogger })
      directory = createResourceDirectory({
        store: new MemoryRegistrationStore(),
        clock: systemClock,
        random: systemRandom,
        logger: silentLogger,
        registry: tree,
      })
      origin = `coap://${formatSocketAddress(channel.local)}`
      closing.push(
        () => directory.close(),
        () => endpoint.close(),
        () => channel.close(),
      )
    })

    afterAll(async () => {
      for (const close of closing) await close()
    })

    it('discovers it', async () => {
      const { code, body } = await coapClient(`${origin}/.well-known/core?rt=core.rd*`)
      expect(code).toBe('2.05')
      expect(parseLinkFormat(body).map((link) => link.href)).toEqual(['/rd', '/rd-lookup/res', '/rd-lookup/ep'])
    })

    it('registers from its own port, updates, looks up, reads and removes', async () => {
      const registered = await coapClient(
        `${origin}/rd?ep=node1&et=x.sensor`,
        '-m',
        'post',
        '-t',
        '40',
        '-e',
        '</sensors/temp>;rt=temperature-c;if=sensor',
      )
      expect(registered.code).toBe('2.01')
      expect(registered.location).toMatch(/^\/rd\/\w+$/)
      const source = directory.find('node1')?.source?.address
      expect(source?.address).toBe(bindAddress)

      const endpoints = parseLinkFormat((await coapClient(`${origin}/rd-lookup/ep?et=x.sensor`)).body)
      expect(endpoints).toHaveLength(1)
      expect(endpoints[0]?.href).toBe(registered.location)
      expect(endpoints[0]?.attributes).toContainEqual({
        name: 'base',
        value: `coap://${formatSocketAddress(source ?? { address: '', port: 0 })}`,
      })

      expect((await coapClient(`${origin}${registered.location}?base=coap://new.example.com&lt=600`, '-m', 'post')).code).toBe('2.04')
      const resources = await coapClient(`${origin}/rd-lookup/res?rt=temperature-c`)
      expect(parseLinkFormat(resources.body).map((link) => link.href)).toEqual(['coap://new.example.com/sensors/temp'])
      expect(directory.find('node1')?.lifetimeS).toBe(600)

      const again = await coapClient(`${origin}/rd?ep=node1`, '-m', 'post', '-t', '40', '-e', '</b>')
      expect(again).toMatchObject({ code: '2.01', location: registered.location })
      expect((await coapClient(`${origin}${registered.location}`)).body).toBe('</b>')

      expect((await coapClient(`${origin}${registered.location}`, '-m', 'delete')).code).toBe('2.02')
      expect((await coapClient(`${origin}${registered.location}`, '-m', 'delete')).code).toBe('4.04')
      expect(await coapClient(`${origin}/rd-lookup/res?rt=temperature-c`)).toMatchObject({ code: '2.05', body: '' })
    })

    it('registers and looks up 400 links block by block', async () => {
      const file = join(temporaryFolder(), 'links')
      const links = Array.from(
        { length: 400 },
        (_, index) => `</lamp/${index}>;rt="x.lamp";title="Lamp ${index} in the long corridor"`,
      ).join(',')
      writeFileSync(file, links)
      expect(
        (await coapClient(`${origin}/rd?ep=big&base=coap://big.example`, '-m', 'post', '-t', '40', '-b', '512', '-f', file)).code,
      ).toBe('2.01')
      expect(directory.find('big')?.links).toBe(links)
      const found = parseLinkFormat((await coapClient(`${origin}/rd-lookup/res?ep=big`)).body)
      expect(found).toHaveLength(400)
      expect(found.at(-1)?.href).toBe('coap://big.example/lamp/399')
    })

    it.each([
      ['/rd', '4.00'],
      ['/rd?ep=a&lt=0', '4.00'],
      ['/rd/nobody', '4.04'],
    ])('POST %s is answered with %s', async (path, code) => {
      expect((await coapClient(`${origin}${path}`, '-m', 'post', '-t', '40', '-e', '</a>')).code).toBe(code)
    })
  })
})
