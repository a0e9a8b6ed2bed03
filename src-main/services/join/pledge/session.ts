// A pledge's DTLS session with CoAP on it. What the registrar shows is remembered: before the voucher it proves nothing (RFC 8995 §5.1), after
// it the pinned certificate judges it.
import { AppError, toAppError } from '#main/base/index.ts'
import { CoapEndpoint } from '#main/wire/coap/index.ts'
import { createDtlsChannel, type DtlsSession, type Verdict } from '#main/wire/dtls/index.ts'
import { DEFAULT_BLOCK_BYTES, type PledgeCredential, type PledgeOptions } from './types.ts'

export interface PledgeSession {
  readonly endpoint: CoapEndpoint
  readonly dtls: DtlsSession
  /** As the registrar showed it, its own certificate first. */
  readonly registrarChain: readonly Uint8Array[]
  close(): Promise<void>
}

/** Judges what the registrar shows; any key that it holds will do while the session is provisional. */
export type RegistrarJudge = (chain: readonly Uint8Array[]) => Promise<Verdict>

/** What a pledge on a constrained network asks of DTLS 1.2 (§6.1.4): a block and what goes with it fit into a record. */
function fragmentFor(blockBytes: number): 512 | 1024 | 2048 {
  return blockBytes <= 256 ? 512 : blockBytes <= 512 ? 1024 : 2048
}

/** Rejects with `dtls.*`, or `cancelled`. */
export async function openPledgeSession(
  options: PledgeOptions,
  credential: PledgeCredential,
  judge: RegistrarJudge,
  signal?: AbortSignal,
): Promise<PledgeSession> {
  const { channel, to, clock, random, logger, coap, dtls: limits, blockBytes = DEFAULT_BLOCK_BYTES } = options
  let registrarChain: readonly Uint8Array[] = []
  let settle: { readonly resolve: (session: DtlsSession) => void; readonly reject: (error: Error) => void } | undefined
  const dtls = createDtlsChannel({
    channel,
    clock,
    random,
    logger,
    ...(limits === undefined ? {} : { limits }),
    client: {
      credential: { kind: 'certificate', ...credential },
      maxFragmentBytes: fragmentFor(blockBytes),
      verifyPeer: (question) => {
        if (question.credential.kind !== 'certificate')
          return { ok: false, alert: 'unsupported_certificate', reason: 'A registrar has a certificate' }
        registrarChain = question.credential.chain
        return judge(registrarChain)
      },
    },
    onEvent: (event) => {
      if (event.kind === 'established') settle?.resolve(event.session)
      else if (event.kind === 'failed') settle?.reject(event.error)
    },
  })
  const abort = (): void => settle?.reject(new AppError('cancelled', 'The operation was cancelled'))
  try {
    const session = await new Promise<DtlsSession>((resolve, reject) => {
      settle = { resolve, reject }
      if (signal?.aborted === true) abort()
      else dtls.connect(to)
      signal?.addEventListener('abort', abort, { once: true })
    })
    const endpoint = new CoapEndpoint({ channel: dtls, clock, random, logger, parameters: { maxBlockBytes: blockBytes, ...coap } })
    return {
      endpoint,
      dtls: session,
      registrarChain,
      close: async () => {
        endpoint.close()
        await dtls.close()
      },
    }
  } catch (thrown) {
    await dtls.close()
    throw toAppError(thrown)
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}
