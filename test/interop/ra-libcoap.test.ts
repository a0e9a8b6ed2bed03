// Messages that OpenSSL has made, carried by libcoap's coap-client to the authority and back: nothing of ours on the device's side.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { silentLogger, systemClock, systemRandom, utf8ToText } from '#main/base/index.ts'
import { readCrl } from '#main/services/ra/index.ts'
import { CoapEndpoint } from '#main/wire/coap/index.ts'
import { readMessage } from '../../src-main/services/ra/cmp/message.ts'
import { verifySignatureOf } from '../../src-main/services/ra/cmp/protection.ts'
import { COAP_CLIENT, describeWithPeer, findPeer, run } from '../support/peers.ts'
import { openOurEnd, PSK, PSK_IDENTITY, serverSettings } from './dtls-ends.ts'
import { OpensslDevice, SECRET, serveAuthority, type Served } from './ra-openssl.ts'

describeWithPeer('libcoap’s coap-client', COAP_CLIENT, (coapClient) => {
  const openssl = findPeer(['openssl']) ?? ''
  let served: Served

  beforeAll(async () => {
    served = await serveAuthority()
    await served.site.desk.preRegister([{ reference: 'lamp-1', secret: SECRET }], 'test')
  })
  afterAll(() => served.close())

  /** POSTs the file in blocks; the code of the last response. */
  async function carry(from: string, to: string, path = '.well-known/cmp', blockBytes = 64): Promise<string | undefined> {
    const uri = `coap://127.0.0.1:${served.port}/${path}`
    const { stdout, stderr } = await run(coapClient, [
      '-v',
      '7',
      '-B',
      '20',
      '-m',
      'post',
      '-t',
      '259',
      '-b',
      String(blockBytes),
      '-f',
      from,
      '-o',
      to,
      uri,
    ])
    return codeIn(`${new TextDecoder().decode(stdout)}${stderr}`)
  }

  it.each([
    ['.well-known/cmp', 64],
    ['.well-known/cmp/p/device/ir', 512],
  ])('enrols through %s in blocks of %i bytes, step by step', async (path, blockBytes) => {
    const it = new OpensslDevice(openssl, served, `carried-${blockBytes}`)
    await served.site.desk.preRegister([{ reference: it.name, secret: SECRET }], 'test')
    const empty = it.file('empty.bin')
    writeFileSync(empty, '')
    const [q1, r1, q2, r2] = ['q1', 'r1', 'q2', 'r2'].map((name) => it.file(`${name}.der`)) as [string, string, string, string]
    const wish = [...it.bySecret(it.name), '-newkey', it.newKey(), '-subject', `/CN=${it.name}`, '-certout', it.file('cert.pem')]
    await it.cmp('ir', ...wish, '-reqout', q1, '-rspin', empty)
    expect(await carry(q1, r1, path, blockBytes)).toBe('2.04')
    await it.cmp('ir', ...wish, '-reqout', `${it.file('x.der')},${q2}`, '-rspin', `${r1},${empty}`)
    expect(readMessage(new Uint8Array(readFileSync(q2))).body.type).toBe('certConf')
    expect(await carry(q2, r2, path, blockBytes)).toBe('2.04')
    const out = await it.cmp('ir', ...wish, '-rspin', `${r1},${r2}`)
    expect(out.exitCode).toBe(0)
    expect(await it.verify()).toBe(`${it.file('cert.pem')}: OK`)
  })

  it('gets the PKI error with the code that says the same', async () => {
    const it = new OpensslDevice(openssl, served, 'refused')
    const [q1, r1, empty] = ['q1', 'r1', 'empty'].map((name) => it.file(`${name}.der`)) as [string, string, string]
    writeFileSync(empty, '')
    const wish = ['-newkey', it.newKey(), '-subject', '/CN=lamp-1', '-certout', it.file('cert.pem')]
    await it.cmp('ir', ...it.bySecret('lamp-1', 'not-the-secret'), ...wish, '-reqout', q1, '-rspin', empty)
    expect(await carry(q1, r1)).toBe('4.01')
    const none = await run(coapClient, [
      '-v',
      '7',
      '-B',
      '5',
      '-m',
      'post',
      '-t',
      '42',
      '-f',
      q1,
      `coap://127.0.0.1:${served.port}/.well-known/cmp`,
    ])
    expect(codeIn(`${new TextDecoder().decode(none.stdout)}${none.stderr}`)).toBe('4.15')
  })

  it('finds the authority by its content format, and reads the CRL', async () => {
    const listed = await run(coapClient, ['-B', '5', `coap://127.0.0.1:${served.port}/.well-known/core?ct=259`])
    const links = new TextDecoder().decode(listed.stdout)
    expect(links).toContain('</.well-known/cmp>;ct=259')
    expect(links).not.toContain('core.rd')
    const file = join(served.folder, 'read.crl')
    await run(coapClient, ['-B', '5', '-o', file, `coap://127.0.0.1:${served.port}/crl`])
    expect(new Uint8Array(readFileSync(file))).toEqual(served.site.ca.crl()?.der)
  })

  it('observes announcements: the current CRL, then the next one', { timeout: 30_000 }, async () => {
    const file = join(served.folder, 'announced.der')
    const observing = run(coapClient, ['-v', '7', '-s', '4', '-B', '6', '-o', file, `coap://127.0.0.1:${served.port}/.well-known/cmp/ann`])
    await new Promise((resolve) => setTimeout(resolve, 1500))
    served.site.ca.refreshCrl()
    const { stdout, stderr } = await observing
    const log = `${new TextDecoder().decode(stdout)}${stderr}`
    expect([...log.matchAll(/c:2\.05/g)].length).toBeGreaterThanOrEqual(2)
    expect(existsSync(file)).toBe(true)
    const message = readMessage(lastMessageIn(new Uint8Array(readFileSync(file))))
    expect(verifySignatureOf(message).bytes).toEqual(served.site.ca.active.signer.certificate.bytes)
    const { body } = message
    expect(body.type === 'crlann' && readCrl(body.crls[0]!).number).toBe(served.site.ca.crl()?.number)
  })
})

describeWithPeer('coap-client-openssl over DTLS', ['coap-client-openssl'], (coapClient) => {
  it('carries an enrolment over coaps: the same resources, now confidential (RFC 9482 §4)', async () => {
    const served = await serveAuthority()
    const ours = await openOurEnd({ server: serverSettings() }, { echoes: false })
    const endpoint = new CoapEndpoint({
      channel: ours.channel,
      tree: served.tree,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
    })
    try {
      const it = new OpensslDevice(findPeer(['openssl']) ?? '', served, 'confidential')
      await served.site.desk.preRegister([{ reference: it.name, secret: SECRET }], 'test')
      const [q1, r1, q2, r2, empty] = ['q1', 'r1', 'q2', 'r2', 'empty'].map((name) => it.file(`${name}.der`)) as [
        string,
        string,
        string,
        string,
        string,
      ]
      writeFileSync(empty, '')
      const wish = [...it.bySecret(it.name), '-newkey', it.newKey(), '-subject', `/CN=${it.name}`, '-certout', it.file('cert.pem')]
      const carry = async (from: string, to: string): Promise<void> => {
        const secured = ['-u', PSK_IDENTITY, '-k', utf8ToText(PSK) ?? '']
        const uri = `coaps://127.0.0.1:${ours.at.port}/.well-known/cmp`
        await run(coapClient, ['-B', '10', '-m', 'post', '-t', '259', '-b', '256', '-f', from, '-o', to, ...secured, uri])
      }
      await it.cmp('ir', ...wish, '-reqout', q1, '-rspin', empty)
      await carry(q1, r1)
      await it.cmp('ir', ...wish, '-reqout', `${it.file('x.der')},${q2}`, '-rspin', `${r1},${empty}`)
      await carry(q2, r2)
      const out = await it.cmp('ir', ...wish, '-rspin', `${r1},${r2}`)
      expect(out.exitCode).toBe(0)
      expect(await it.verify()).toBe(`${it.file('cert.pem')}: OK`)
      expect(ours.sessions.length).toBeGreaterThanOrEqual(2)
    } finally {
      endpoint.close()
      await ours.close()
      await served.close()
    }
  })
})

function codeIn(log: string): string | undefined {
  const lines = log.split('\n').filter((line) => /c:[245]\.\d\d/.test(line) && !line.includes('c:2.31'))
  return /c:([245]\.\d\d)/.exec(lines.at(-1) ?? '')?.[1]
}

/** coap-client writes one notification after the other into the file. */
function lastMessageIn(bytes: Uint8Array): Uint8Array {
  let rest = bytes
  for (;;) {
    const length = 4 + (rest[2] ?? 0) * 256 + (rest[3] ?? 0)
    if (length >= rest.length) return rest
    rest = rest.subarray(length)
  }
}
