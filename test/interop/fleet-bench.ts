// A receiver by HTTPS that keeps what it is given, and everything a push needs but a site: jobs, store, settings.
import { createHash } from 'node:crypto'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { seededRandom, silentLogger, systemClock, type SigningKey } from '#main/base/index.ts'
import { asn1, extensionOf } from '#main/services/ra/index.ts'
import { Pushes, subjectOf, type FleetStore, type Parcel, type PushPorts } from '#main/site/exchange/index.ts'
import { createJobs, type JobService } from '#main/site/jobs/index.ts'
import { createFleetStore, type SiteFile } from '#main/store/index.ts'
import type { JobItemRow, PushTargetSettings } from '#contract/model.ts'
import { chainPem, keyPem, makeParty, type Party } from '../masa/pki.ts'
import { temporarySite } from '../support/site-file.ts'

export type HttpsSettings = Extract<PushTargetSettings, { kind: 'https' }>
export type MqttSettings = Extract<PushTargetSettings, { kind: 'mqtt' }>

const { serverAuth, clientAuth } = asn1.Oid
const FOREVER = { notBefore: Date.UTC(2020, 0, 1), notAfter: Date.UTC(2040, 0, 1) }

export interface Pki {
  readonly root: Party
  readonly server: Party
  readonly client: Party
}

export function makePki(): Pki {
  const root = makeParty({ name: 'CN=Fleet CA', isAuthority: true, ...FOREVER })
  const altNames = extensionOf.subjectAltName([
    { kind: 'dns', value: 'localhost' },
    { kind: 'ip', address: Uint8Array.of(127, 0, 0, 1) },
  ])
  const server = makeParty({
    name: 'CN=localhost',
    issuer: root,
    extensions: [extensionOf.extendedKeyUsage([serverAuth]), altNames],
    ...FOREVER,
  })
  const client = makeParty({ name: 'CN=installer', issuer: root, extensions: [extensionOf.extendedKeyUsage([clientAuth])], ...FOREVER })
  return { root, server, client }
}

export const pemOfKey = (key: SigningKey): string => keyPem(key)
export const rootPem = ({ root }: Pki): string => chainPem([root.certificate])

const common = {
  content: 'bundle' as const,
  auth: 'none' as const,
  user: '',
  anchors: null,
  certificate: null,
  ditto: { namespace: 'org.example', subject: 'nginx:ditto' },
  receiver: null,
}

export function httpsSettings(url: string, change: Partial<HttpsSettings> = {}): HttpsSettings {
  return { kind: 'https', name: 'Fleet', url, method: 'PUT', ...common, ...change }
}

export function mqttSettings(url: string, change: Partial<MqttSettings> = {}): MqttSettings {
  return { kind: 'mqtt', name: 'Broker', url, version: 5, topic: 'groupwright', retain: true, ...common, ...change }
}

export interface Received {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

const noInterference: Receiver['interfere'] = () => undefined

export interface Receiver {
  readonly url: string
  readonly received: readonly Received[]
  readonly resources: Map<string, Buffer>
  /** Called before each request; what it answers is sent instead, and `'drop'` cuts the connection after the work is done. */
  interfere: (request: Received) => number | 'drop' | undefined
}

/** Entity tags, conditions (RFC 9110 §13), and bearer or basic credentials where told. */
export async function httpsReceiver(
  pki: Pki,
  options: { readonly authorization?: string; readonly clientCertificate?: boolean } = {},
): Promise<Receiver> {
  const received: Received[] = []
  const resources = new Map<string, Buffer>()
  const receiver = { url: '', received, resources, interfere: noInterference }
  const tls = { cert: chainPem(pki.server.chain.slice(0, 1)), key: keyPem(pki.server.key) }
  const mutual = options.clientCertificate === true ? { ca: rootPem(pki), requestCert: true, rejectUnauthorized: true } : {}
  const server = createServer({ ...tls, ...mutual }, (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const all = { method: request.method ?? '', path: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks) }
      received.push(all)
      const interference = receiver.interfere(all)
      if (typeof interference === 'number') {
        response.writeHead(interference).end('not now')
        return
      }
      const { status, etag, body } = answer(all)
      if (interference === 'drop') {
        request.socket.destroy()
        return
      }
      response.writeHead(status, etag === undefined ? {} : { ETag: etag })
      response.end(body)
    })
  })
  const tagOf = (bytes: Buffer): string => `"${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}"`
  function answer({ method, path, headers, body }: Received): { status: number; etag?: string; body?: Buffer } {
    if (options.authorization !== undefined && headers.authorization !== options.authorization) return { status: 401 }
    const there = resources.get(path)
    if (method === 'GET' || method === 'HEAD')
      return there === undefined ? { status: 404 } : { status: 200, etag: tagOf(there), ...(method === 'GET' ? { body: there } : {}) }
    if (headers['if-none-match'] === '*' && there !== undefined) return { status: 412 }
    const wanted = headers['if-match']
    if (typeof wanted === 'string' && (there === undefined || tagOf(there) !== wanted)) return { status: 412 }
    resources.set(path, body)
    return { status: there === undefined ? 201 : 204, etag: tagOf(body) }
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  receiver.url = `https://localhost:${(server.address() as AddressInfo).port}/site`
  return receiver
}

export interface PushBench {
  readonly file: SiteFile
  readonly store: FleetStore
  readonly jobs: JobService
  readonly pushes: Pushes
  /** Sends and answers the items at their end. */
  push(targetId: string, parcels: readonly Parcel[]): Promise<readonly JobItemRow[]>
}

export function pushBench(change: Partial<PushPorts> = {}, file: SiteFile = temporarySite()): PushBench {
  const clock = systemClock
  const store = createFleetStore(file.database)
  const jobs = createJobs({ store: file.jobs, clock, random: seededRandom(3), logger: silentLogger })
  const pushes = new Pushes({
    store,
    unseal: (sealed) => ({ secret: new TextDecoder().decode(sealed) }),
    compare: () => Promise.resolve(),
    clock,
    random: seededRandom(4),
    logger: silentLogger,
    ...change,
  })
  jobs.register(pushes.runner)
  onTestFinished(async () => {
    await jobs.close()
    pushes.close()
  })
  return {
    file,
    store,
    jobs,
    pushes,
    async push(targetId, parcels) {
      store.saveParcels(parcels)
      const id = jobs.start(
        'push',
        'Fleet',
        parcels.map((parcel) => ({ subject: subjectOf(targetId, parcel), label: parcel.name })),
      )
      await jobs.finished(id)
      return jobs.items(id, 0, 1000)
    },
  }
}

export function addTarget({ store }: Pick<PushBench, 'store'>, settings: PushTargetSettings, secret?: string): string {
  store.saveTarget({ id: 'target-1', settings, sealed: secret === undefined ? undefined : new TextEncoder().encode(secret), createdAt: 1 })
  return 'target-1'
}

export function parcelOf(name: string, text: string): Parcel {
  const bytes = new TextEncoder().encode(text)
  return { name, contentType: 'application/json', bytes, sha256: createHash('sha256').update(bytes).digest('hex') }
}
