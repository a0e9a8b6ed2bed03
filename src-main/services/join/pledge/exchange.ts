// One request of a pledge, until it has its answer: asked again while somebody decides, with the very same bytes (RFC 8995 §5.6, RFC 9148 §4.7).
import { AppError, delay, toAppError, utf8ToText } from '#main/base/index.ts'
import { findUint, isSuccess, OptionNumber, type ClientRequest, type ClientResponse } from '#main/wire/coap/index.ts'
import type { PledgeSession } from './session.ts'
import { DEFAULT_BLOCK_BYTES, type PledgeOptions, type PledgeStep } from './types.ts'

/** However long the registrar says, one that lies must not hold a pledge up (RFC 8995 §5.6). */
const LONGEST_WAIT_S = 60
const DEFAULT_WAIT_S = 60
const DEFAULT_PATIENCE_MS = 4 * 86_400_000
const DEFAULT_ATTEMPTS = 3
const MAX_WHY = 200

/** The answer of success. Rejects with `join.registrar-refused`, `join.registrar-unreachable`, `join.awaits-decision` or `cancelled`. */
export async function ask(
  options: PledgeOptions,
  session: PledgeSession,
  step: PledgeStep,
  request: ClientRequest,
  signal?: AbortSignal,
): Promise<ClientResponse> {
  const { clock, to, blockBytes = DEFAULT_BLOCK_BYTES, patienceMs = DEFAULT_PATIENCE_MS, attempts = DEFAULT_ATTEMPTS, onStep } = options
  const untilMs = clock.monotonicMs() + patienceMs
  onStep?.(step, 'begun')
  for (let left = attempts; ;) {
    let response: ClientResponse
    try {
      response = await session.endpoint.request(to, request, {
        ...(signal === undefined ? {} : { signal }),
        blockBytes,
        cache: 'bypass',
      })
    } catch (thrown) {
      const error = toAppError(thrown)
      left--
      if (error.code === 'cancelled') throw error
      if (left > 0 && error.code === 'coap.timeout') continue
      onStep?.(step, 'failed', error.code)
      throw new AppError('join.registrar-unreachable', 'The registrar does not answer', {
        retryable: true,
        details: { step },
        cause: error,
      })
    }
    if (isSuccess(response.code)) {
      onStep?.(step, 'done')
      return response
    }
    const isLater = response.code === '5.03' || response.code === '4.29'
    if (!isLater) {
      const why = textOf(response)
      onStep?.(step, 'failed', `${response.code} ${why}`)
      throw new AppError('join.registrar-refused', `The registrar has refused: ${response.code} ${why}`, {
        details: { step, responseCode: response.code, why },
      })
    }
    const waitMs = Math.min(findUint(response.options, OptionNumber.MAX_AGE) ?? DEFAULT_WAIT_S, LONGEST_WAIT_S) * 1000
    if (clock.monotonicMs() + waitMs > untilMs) {
      onStep?.(step, 'failed', 'nobody has decided')
      throw new AppError('join.awaits-decision', 'Nobody has decided in time', { retryable: true, details: { step } })
    }
    onStep?.(step, 'waiting', textOf(response))
    await delay(clock, Math.max(waitMs, 1000), signal).catch((thrown: unknown) => {
      throw toAppError(thrown)
    })
  }
}

function textOf({ payload, contentFormat }: ClientResponse): string {
  return contentFormat === undefined || contentFormat === 0 ? (utf8ToText(payload) ?? '').slice(0, MAX_WHY) : ''
}
