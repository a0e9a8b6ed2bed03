// The manufacturers that the site trusts, with what is set for their voucher servers, and how these last answered (RFC 8995 §2.3.2, §5.4).
import { toHex, type AppError, type Clock } from '#main/base/index.ts'
import type { Maker } from '#main/services/join/index.ts'
import { Certificate, nameText, pemOf, tryCertificate } from '#main/services/ra/index.ts'
import type { JoinMakerRow } from '#contract/model.ts'
import { bytesOf, PLAIN_MAKER, type JoinSettings, type MakerSettings } from './join-settings.ts'

export interface JoinMakersPorts {
  /** In DER. */
  readonly manufacturers: () => readonly Uint8Array[]
  readonly settings: () => JoinSettings
  /** Their servers are within this program. */
  readonly simulated: boolean
  readonly clock: Clock
  readonly changed: () => void
}

export interface JoinMakers {
  ids(): ReadonlySet<string>
  list(): readonly Maker[]
  rows(): JoinMakerRow[]
  /** To be told how a server answered. */
  asked(makerId: string, failure: AppError | undefined): void
}

/** Stands for a server within; nothing is looked up. */
const MASA_WITHIN = 'masa.invalid'

export function createJoinMakers({ manufacturers, settings, simulated, clock, changed }: JoinMakersPorts): JoinMakers {
  /** One entry a maker of the list at most. */
  const last = new Map<string, NonNullable<JoinMakerRow['lastAsked']>>()
  const known = (): ReadonlyArray<{ readonly id: string; readonly der: Uint8Array; readonly name: string; readonly set: MakerSettings }> =>
    manufacturers().map((der) => {
      const certificate = new Certificate(der)
      const id = toHex(certificate.fingerprint())
      return { id, der, name: nameText(certificate.subject), set: settings().makers[id] ?? PLAIN_MAKER }
    })
  return {
    ids: () => new Set(known().map(({ id }) => id)),
    list: () =>
      known().map(({ id, der, name, set }): Maker => {
        const { masaUrl, tlsAnchors, voucherAnchors, showsCertificate, keyId } = set
        const url = simulated ? MASA_WITHIN : masaUrl
        return {
          id,
          name,
          anchors: [der],
          showsCertificate,
          ...(url === null ? {} : { masaUrl: url }),
          ...(tlsAnchors.length === 0 ? {} : { tlsAnchors: tlsAnchors.map((each) => pemOf('CERTIFICATE', bytesOf(each))).join('') }),
          ...(voucherAnchors.length === 0 ? {} : { voucherAnchors: voucherAnchors.map(bytesOf) }),
          ...(keyId === 'none' ? {} : { kid: keyId }),
        }
      }),
    rows: () =>
      known().map(({ id, name, set }) => ({
        id,
        name,
        masaUrl: set.masaUrl,
        tlsAnchors: set.tlsAnchors.flatMap(described),
        voucherAnchors: set.voucherAnchors.flatMap(described),
        showsCertificate: set.showsCertificate,
        keyId: set.keyId,
        simulated,
        lastAsked: last.get(id) ?? null,
      })),
    asked(makerId, failure) {
      const ids = new Set(known().map(({ id }) => id))
      for (const id of last.keys()) if (!ids.has(id)) last.delete(id)
      if (!ids.has(makerId)) return
      last.set(makerId, { at: clock.now(), ok: failure === undefined, code: failure?.code ?? null })
      changed()
    },
  }
}

function described(text: string): JoinMakerRow['tlsAnchors'] {
  const certificate = tryCertificate(bytesOf(text))
  if (certificate === undefined) return []
  return [{ subject: nameText(certificate.subject), fingerprint: toHex(certificate.fingerprint()), notAfter: certificate.notAfter }]
}
