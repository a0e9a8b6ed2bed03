// Where the registrar's certificate stays with the site, its key sealed, and which names it has to have: those by which clients ask for this program
// (RFC 7252 §9.1.3.3, RFC 6125).
import { z } from 'zod'
import { fromHex, toHex } from '#main/base/index.ts'
import type { RegistrarKeeper } from '#main/services/join/index.ts'
import { generalNameText, tryCertificate, type Certificate, type GeneralName } from '#main/services/ra/index.ts'
import type { SiteFile } from '#main/store/index.ts'
import { parseAddress } from '#main/wire/ip/index.ts'

const META = 'registrarCredential'

const hex = z.string().regex(/^(?:[0-9a-f]{2})+$/)
const stored = z.object({ certificate: hex, sealedKey: hex })

/** What lacks a name is not found again, so that a new one is made. */
export function registrarKeeper(file: Pick<SiteFile, 'getMeta' | 'setMeta'>, names: readonly GeneralName[]): RegistrarKeeper {
  return {
    load() {
      const kept = stored.safeParse(file.getMeta(META)).data
      const certificate = kept === undefined ? undefined : fromHex(kept.certificate)
      const sealedKey = kept === undefined ? undefined : fromHex(kept.sealedKey)
      if (certificate === undefined || sealedKey === undefined) return undefined
      const read = tryCertificate(certificate)
      return read !== undefined && hasNames(read, names) ? { certificate, sealedKey } : undefined
    },
    save({ certificate, sealedKey }) {
      file.setMeta(META, { certificate: toHex(certificate), sealedKey: toHex(sealedKey) })
    },
  }
}

/** A name on the link, and the addresses themselves. */
export function registrarNames(siteId: string, addresses: readonly string[]): readonly GeneralName[] {
  const ips = addresses.flatMap((text) => {
    const address = parseAddress(text)
    return address === undefined || address.every((byte) => byte === 0) ? [] : [{ kind: 'ip' as const, address }]
  })
  return [{ kind: 'dns', value: `groupwright-${markOf(siteId)}.local` }, ...ips]
}

export function hasNames(certificate: Certificate, names: readonly GeneralName[]): boolean {
  const has = new Set(certificate.subjectAltNames.map(generalNameText))
  return names.every((name) => has.has(generalNameText(name)))
}

/** Without a serial number: by that makers know their devices. */
export function registrarSubject(siteId: string): string {
  return `CN=Groupwright registrar ${markOf(siteId)}`
}

function markOf(siteId: string): string {
  return siteId
    .replaceAll(/[^a-z0-9]/gi, '')
    .slice(-6)
    .toLowerCase()
}
