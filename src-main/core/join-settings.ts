// How the site takes part in joining, kept with it: makers' servers, whether they are asked at all, the join port, the join proxy
// (RFC 8995 §2.8, §5.4; draft-ietf-anima-constrained-join-proxy-20 §4.1).
import { z } from 'zod'
import { AppError, fromHex, isMulticastAddress, toHex, type JsonValue } from '#main/base/index.ts'
import { endpointOfUri, masaUrl, type RegistrarRoute } from '#main/services/join/index.ts'
import { Certificate, readPem } from '#main/services/ra/index.ts'
import type { SiteFile } from '#main/store/index.ts'
import { joinProxySettings, makerKeyId } from '#contract/model.ts'
import type { JoinProxySettings } from '#contract/model.ts'
import type { OpParsed } from '#contract/ops.ts'

const hex = z.string().regex(/^(?:[0-9a-f]{2})+$/)
const maker = z.object({
  masaUrl: z.string().nullable(),
  tlsAnchors: z.array(hex),
  voucherAnchors: z.array(hex),
  showsCertificate: z.boolean(),
  keyId: makerKeyId,
})

/** What is set for a maker; certificates in hex of DER. */
export type MakerSettings = z.infer<typeof maker>

const NO_PROXY: JoinProxySettings = {
  mode: 'off',
  version: 'automatic',
  places: [],
  search: ['coap', 'directory', 'dns-sd'],
  registrar: null,
}

const stored = z.object({
  offline: z.boolean().default(false),
  makers: z.record(z.string(), maker).default({}),
  joinPort: z.boolean().default(true),
  advertised: z.boolean().default(false),
  proxy: joinProxySettings.default(NO_PROXY),
})
export type JoinSettings = z.infer<typeof stored>

const META = 'joining'
const MOST_CERTIFICATES = 20
/** As many manufacturers as nobody has; forgotten ones are let go first. */
const MOST_MAKERS = 500

export const PLAIN_MAKER: MakerSettings = { masaUrl: null, tlsAnchors: [], voucherAnchors: [], showsCertificate: true, keyId: 'none' }

export interface JoinSettingsKeeper {
  readonly now: JoinSettings
  setOffline(offline: boolean): void
  /** Throws `input.invalid`, `join.maker-not-found`. */
  setMaker(patch: OpParsed<'joining.setMaker'>): void
  setRegistrar(patch: OpParsed<'joining.setRegistrar'>): void
  /** Throws `input.invalid`. */
  setProxy(patch: OpParsed<'joining.setProxy'>): void
}

/** `known`: ids of the makers that the site trusts. */
export function keepJoinSettings(file: Pick<SiteFile, 'getMeta' | 'setMeta'>, known: () => ReadonlySet<string>): JoinSettingsKeeper {
  let now = stored.safeParse(file.getMeta(META) ?? {}).data ?? stored.parse({})
  const keep = (next: JoinSettings): void => {
    file.setMeta(META, next satisfies JsonValue)
    now = next
  }
  return {
    get now() {
      return now
    },
    setOffline(offline) {
      keep({ ...now, offline })
    },
    setMaker({ id, ...patch }) {
      if (!known().has(id))
        throw new AppError('join.maker-not-found', 'The site does not trust this manufacturer', { details: { maker: id } })
      const next = patched(now.makers[id] ?? PLAIN_MAKER, patch)
      const all = Object.entries({ ...now.makers, [id]: next })
      const kept = all.length <= MOST_MAKERS ? all : all.filter(([each]) => known().has(each))
      keep({ ...now, makers: Object.fromEntries(kept) })
    },
    setRegistrar({ joinPort = now.joinPort, advertised = now.advertised }) {
      keep({ ...now, joinPort, advertised })
    },
    setProxy(patch) {
      const { mode, version, places, search, registrar } = now.proxy
      const next = {
        mode: patch.mode ?? mode,
        version: patch.version ?? version,
        places: [...new Set(patch.places ?? places)],
        search: [...new Set(patch.search ?? search)],
        registrar: patch.registrar === undefined ? registrar : patch.registrar,
      }
      configuredRoute(next)
      keep({ ...now, proxy: next })
    },
  }
}

/** The registrar that is set; undefined where it is to be looked for. Throws `input.invalid`. */
export function configuredRoute({
  mode,
  version,
  registrar,
}: Pick<JoinProxySettings, 'mode' | 'version' | 'registrar'>): RegistrarRoute | undefined {
  if (registrar === null) return undefined
  const target = endpointOfUri(registrar)
  if (target === undefined || isMulticastAddress(target.at.address))
    throw invalid('A registrar is named as jpy://[address]:port or coaps://[address]:port', registrar)
  // Registrars of draft -01 call their join port coaps, too (§7.1.1).
  const isStateless = target.scheme === 'jpy' || (mode === 'stateless' && version === '01')
  if (mode === 'stateful' && isStateless) throw invalid('A stateful proxy needs a coaps address', registrar)
  if (mode === 'stateless' && !isStateless) throw invalid('A stateless proxy needs a jpy address', registrar)
  return {
    mode: isStateless ? 'stateless' : 'stateful',
    version: version === '01' ? '01' : '20',
    at: target.at,
    by: 'configuration',
  }
}

function patched(
  before: MakerSettings,
  { masaUrl: url, tlsAnchors, voucherAnchors, ...others }: Omit<OpParsed<'joining.setMaker'>, 'id'>,
): MakerSettings {
  return {
    masaUrl: url === undefined ? before.masaUrl : checkedUrl(url),
    tlsAnchors: tlsAnchors === undefined ? before.tlsAnchors : certificatesIn(tlsAnchors),
    voucherAnchors: voucherAnchors === undefined ? before.voucherAnchors : certificatesIn(voucherAnchors),
    showsCertificate: others.showsCertificate ?? before.showsCertificate,
    keyId: others.keyId ?? before.keyId,
  }
}

function checkedUrl(url: string | null): string | null {
  if (url === null) return null
  try {
    masaUrl(url)
    return url
  } catch (cause) {
    throw new AppError('input.invalid', 'The address of a voucher server is an HTTPS URL', { cause, details: { url } })
  }
}

function certificatesIn(pem: string | null): string[] {
  if (pem === null || pem.trim() === '') return []
  const found = [...new Set(readPem('CERTIFICATE', pem).map((der) => toHex(readable(der))))]
  if (found.length > MOST_CERTIFICATES) throw new AppError('input.too-large', 'Too many certificates are named')
  return found
}

function readable(der: Uint8Array): Uint8Array {
  try {
    return new Certificate(der).bytes
  } catch (cause) {
    throw new AppError('input.invalid', 'A certificate of the text cannot be read', { cause })
  }
}

function invalid(message: string, registrar: string): AppError {
  return new AppError('input.invalid', message, { details: { registrar } })
}

export function bytesOf(text: string): Uint8Array {
  return fromHex(text) ?? new Uint8Array(0)
}
