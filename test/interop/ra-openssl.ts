// A registration authority over UDP, the bridge before it, and OpenSSL's CMP client with the files that it needs.
import { mkdtempSync, readFileSync, rmSync, writeFileSync, existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  exportSigningKey,
  generateSigningKey,
  silentLogger,
  systemClock,
  systemRandom,
  type SigningAlgorithm,
  type SigningKey,
} from '#main/base/index.ts'
import { Announcer, Certificate, DEVICE_PROFILE, serveCmp, type RaOptions, type UpstreamRouter } from '#main/services/ra/index.ts'
import { CoapEndpoint, ResourceTree } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { createManufacturer, fromPem, openSite, SECRET, toPem, type Issued, type Manufacturer, type Site } from '../services/ra/harness.ts'
import { run, type Output } from '../support/peers.ts'
import { openBridge, type Bridge } from './http-coap-bridge.ts'

export interface Served {
  readonly site: Site
  readonly bridge: Bridge
  readonly manufacturer: Manufacturer
  readonly folder: string
  readonly tree: ResourceTree
  readonly port: number
  close(): Promise<void>
}

export interface ServedOptions {
  readonly algorithm?: SigningAlgorithm
  readonly ra?: Partial<RaOptions>
  readonly blockBytes?: number
  readonly upstream?: (site: Site) => UpstreamRouter
}

export async function serveAuthority({ algorithm = 'P-256', ra = {}, blockBytes = 1024, upstream }: ServedOptions = {}): Promise<Served> {
  const folder = mkdtempSync(join(tmpdir(), 'groupwright-ra-'))
  const manufacturer = createManufacturer(Date.now())
  const site = await openSite({
    clock: systemClock,
    algorithm,
    ra: { random: systemRandom, manufacturerAnchors: [manufacturer.root.certificate.bytes], ...ra },
    ca: { random: systemRandom },
  })
  const tree = new ResourceTree()
  const announcer = new Announcer({ ca: site.ca, clock: systemClock, random: systemRandom, gapMs: 200 })
  const server = serveCmp({
    registry: tree,
    authority: site.authority,
    clock: systemClock,
    announcer,
    rates: { burst: 10_000 },
    ...(upstream === undefined ? {} : { upstream: upstream(site) }),
  })
  const channel = await openUdpChannel({ bindAddress: '127.0.0.1', port: 0, logger: silentLogger })
  const endpoint = new CoapEndpoint({ channel, tree, clock: systemClock, random: systemRandom, logger: silentLogger })
  const bridge = await openBridge({ to: channel.local, blockBytes })
  writeFileSync(join(folder, 'root.pem'), toPem('CERTIFICATE', site.ca.active.certificate.bytes))
  return {
    site,
    bridge,
    manufacturer,
    folder,
    tree,
    port: channel.local.port,
    close: async () => {
      await bridge.close()
      server.close()
      announcer.close()
      endpoint.close()
      await channel.close()
      site.authority.close()
      site.ca.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export { DEVICE_PROFILE, SECRET }

export interface Spoken {
  readonly exitCode: number | null
  /** Both of its output streams. */
  readonly said: string
}

/** Files of one device in the folder of the served authority. */
export class OpensslDevice {
  readonly #program: string
  readonly #served: Served
  readonly name: string

  constructor(program: string, served: Served, name: string) {
    this.#program = program
    this.#served = served
    this.name = name
  }

  file(suffix: string): string {
    return join(this.#served.folder, `${this.name}-${suffix}`)
  }

  newKey(suffix = 'key.pem', algorithm: SigningAlgorithm = 'P-256'): string {
    return this.writeKey(suffix, generateSigningKey(algorithm))
  }

  writeKey(suffix: string, key: SigningKey): string {
    writeFileSync(this.file(suffix), toPem('PRIVATE KEY', exportSigningKey(key)))
    return this.file(suffix)
  }

  /** Arguments that sign with the certificate. */
  signedBy(issued: Issued): string[] {
    writeFileSync(this.file('idevid.pem'), toPem('CERTIFICATE', issued.certificate.bytes))
    writeFileSync(this.file('chain.pem'), issued.chain.map((der) => toPem('CERTIFICATE', der)).join(''))
    const key = this.writeKey('idevid-key.pem', issued.key)
    const extra = issued.chain.length === 0 ? [] : ['-extracerts', this.file('chain.pem')]
    return ['-cert', this.file('idevid.pem'), '-key', key, ...extra, '-trusted', this.root]
  }

  bySecret(reference: string, secret = SECRET): string[] {
    return ['-ref', reference, '-secret', `pass:${secret}`]
  }

  get root(): string {
    return join(this.#served.folder, 'root.pem')
  }

  /** `openssl cmp -cmd …` over the bridge. */
  async cmp(command: string, ...args: readonly string[]): Promise<Spoken> {
    const { bridge } = this.#served
    const path = args[0]?.startsWith('/') === true ? args[0] : '/pkix/'
    const rest = path === args[0] ? args.slice(1) : args
    const { exitCode, stdout, stderr } = await run(
      this.#program,
      [
        'cmp',
        '-config',
        '',
        '-batch',
        '-cmd',
        command,
        '-server',
        `127.0.0.1:${bridge.port}`,
        '-path',
        path,
        '-recipient',
        '/O=Blue Quay/CN=Site CA',
        '-total_timeout',
        '30',
        ...rest,
      ],
      40_000,
    )
    return { exitCode, said: `${new TextDecoder().decode(stdout)}${stderr}` }
  }

  certificate(suffix = 'cert.pem'): Certificate {
    return new Certificate(fromPem(readFileSync(this.file(suffix), 'utf8')))
  }

  has(suffix: string): boolean {
    return existsSync(this.file(suffix))
  }

  openssl(...args: readonly string[]): Promise<Output> {
    return run(this.#program, args)
  }

  /** What `openssl verify` says of the certificate. */
  async verify(suffix = 'cert.pem', ...args: readonly string[]): Promise<string> {
    const { stdout, stderr } = await this.openssl('verify', '-x509_strict', '-CAfile', this.root, ...args, this.file(suffix))
    return `${new TextDecoder().decode(stdout)}${stderr}`.trim()
  }
}
