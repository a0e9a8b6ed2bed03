// EST-coaps with Californium as a constrained device: records of 512 bytes, small blocks, one session for all (RFC 9148 §3, §4.6).
// GROUPWRIGHT_CALIFORNIUM_JARS names a folder with its jars; a JDK compiles the peer.
import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { exportSigningKey, generateSigningKey, silentLogger, systemClock, systemRandom, utf8ToText } from '#main/base/index.ts'
import {
  createRegistrar,
  decodeMultipart,
  readCertificatesOnly,
  readCsrAttributes,
  writeRequest,
  type JoinStep,
} from '#main/services/join/index.ts'
import { Certificate } from '#main/services/ra/index.ts'
import { CoapEndpoint, ResourceTree } from '#main/wire/coap/index.ts'
import { createDtlsChannel } from '#main/wire/dtls/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { memoryKeeper } from '../services/join/registrar/house.ts'
import { createManufacturer, memoryVault, openSite, toPem } from '../services/ra/harness.ts'
import { describeWithPeer, run } from '../support/peers.ts'
import { LOOPBACK } from './dtls-ends.ts'

const jars = process.env.GROUPWRIGHT_CALIFORNIUM_JARS ?? ''
const JAVA = [jars === '' ? 'Java with Californium (GROUPWRIGHT_CALIFORNIUM_JARS)' : 'java']

describeWithPeer('Californium at our registrar', JAVA, (java) => {
  it.each([64, 256])('gets the CA certificates and its own, in blocks of %i bytes', { timeout: 120_000 }, async (blockBytes) => {
    const folder = await mkdtemp(join(tmpdir(), 'californium-est-'))
    const file = (name: string): string => join(folder, name)
    const maker = createManufacturer(Date.now())
    const steps: JoinStep[] = []
    const site = await openSite({
      clock: systemClock,
      ra: { random: systemRandom, manufacturerAnchors: [maker.root.certificate.bytes] },
      ca: { random: systemRandom },
    })
    const ports = { clock: systemClock, random: systemRandom, logger: silentLogger }
    const tree = new ResourceTree()
    const registrar = await createRegistrar({
      ...ports,
      registry: tree,
      authority: site.authority,
      vault: memoryVault(),
      keeper: memoryKeeper(),
      vouchers: { obtain: () => Promise.reject(new Error('no vouchers here')) },
      // A client that looks for names wants that of the address it has called.
      settings: { altNames: [{ kind: 'ip', address: Uint8Array.of(127, 0, 0, 1) }] },
      gate: { admits: () => ({ kind: 'admit' }), note: (step) => void steps.push(step) },
    })
    const udp = await openUdpChannel({ bindAddress: LOOPBACK, port: 0, logger: silentLogger })
    const coaps = createDtlsChannel({ ...ports, channel: udp, server: registrar.dtls, onEvent: (event) => registrar.watch(event) })
    const endpoint = new CoapEndpoint({ ...ports, channel: coaps, tree })
    onTestFinished(async () => {
      endpoint.close()
      registrar.close()
      await coaps.close()
      await udp.close()
      site.authority.close()
      site.ca.close()
      await rm(folder, { recursive: true })
    })

    const device = maker.device('CN=lamp 1, serialNumber=LW-1')
    const key = generateSigningKey('P-256')
    const root = site.ca.active.certificate.bytes
    const pems = [device.certificate.bytes, ...device.chain].map((der) => toPem('CERTIFICATE', der))
    writeFileSync(file('device.pem'), toPem('PRIVATE KEY', exportSigningKey(device.key)) + pems.join(''))
    writeFileSync(file('root.pem'), toPem('CERTIFICATE', root))
    writeFileSync(file('request.der'), writeRequest({ subject: device.certificate.subject }, key))
    const compiled = await run('javac', ['-cp', `${jars}/*`, '-d', folder, join(import.meta.dirname, 'californium/EstPeer.java')], 60_000)
    expect(compiled.exitCode, compiled.stderr).toBe(0)
    const base = `coaps://${LOOPBACK}:${udp.local.port}`
    const about = [base, file('device.pem'), file('root.pem'), String(blockBytes), file('request.der'), folder]
    const { stdout, stderr } = await run(
      java,
      ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-cp', `${jars}/*:${folder}`, 'EstPeer', ...about],
      60_000,
    )
    expect((utf8ToText(stdout) ?? '').trim().split('\n'), stderr).toEqual([
      'crts.p7 2.05 281',
      'crts.multipart 2.05 62',
      'attributes.der 2.05 285',
      'first.der 2.04 287',
      'second.der 2.04 287',
    ])
    const got = (name: string): Uint8Array => new Uint8Array(readFileSync(file(name)))
    expect(readCertificatesOnly(got('crts.p7')).map(({ bytes }) => bytes)).toEqual([root])
    expect(decodeMultipart(got('crts.multipart'))).toEqual([{ contentFormat: 287, bytes: root }])
    expect(readCsrAttributes(got('attributes.der'))).toEqual({ keyType: 'P-256', isBound: false })
    const certificate = new Certificate(got('first.der'))
    expect(certificate.spki).toEqual(key.spki)
    expect(certificate.isIssuedBy(site.ca.active.certificate)).toBe(true)
    expect(got('second.der')).toEqual(certificate.bytes)
    expect(steps.map(({ step, outcome }) => `${step} ${outcome}`)).toEqual([
      'seen done',
      'connected done',
      'admitted done',
      'anchors done',
      'certificate done',
      'certificate done',
    ])
  })
})
