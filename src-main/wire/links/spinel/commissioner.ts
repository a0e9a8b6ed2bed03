// The NCP as the network's commissioner: lets devices join that know a passphrase (draft-rquattle-spinel-unified §5.11 and later
// header files; Thread specification §8.4).
import { AppError, delay, fromHex, type Eui64 } from '#main/base/index.ts'
import { checkPassphrase, type NcpContext } from './ncp-network.ts'
import { PROP } from './properties.ts'

export type CommissionerState = 'disabled' | 'petitioning' | 'active'
const states: readonly CommissionerState[] = ['disabled', 'petitioning', 'active']
const DISABLED = 0
const ACTIVE = 2
const PETITION_POLL_MS = 500
const PETITION_TRIES = 20
const MOST_TIMEOUT_S = 0xffff_ffff

export interface JoinerInvitation {
  /** The device's factory EUI-64; any device where absent. */
  readonly eui64?: Eui64
  readonly passphrase: string
  readonly timeoutS: number
}

export interface InvitedJoiner {
  readonly eui64: Eui64 | undefined
  readonly leftMs: number
}

export async function commissionerState({ session }: NcpContext): Promise<CommissionerState> {
  return states[await session.get(PROP.MESHCOP_COMMISSIONER_STATE)] ?? 'disabled'
}

/** Resolves when the leader has taken the petition; fails where another commissioner is at work. */
export async function startCommissioner(context: NcpContext, signal?: AbortSignal): Promise<void> {
  if ((await commissionerState(context)) === 'active') return
  await context.session.set(PROP.MESHCOP_COMMISSIONER_STATE, ACTIVE)
  for (let tries = 0; tries < PETITION_TRIES; tries++) {
    await delay(context.clock, PETITION_POLL_MS, signal)
    const state = await commissionerState(context)
    if (state === 'active') return
    if (state === 'disabled') break
  }
  throw new AppError('link.refused', 'The network did not accept a commissioner; another one may be at work', { retryable: true })
}

export async function stopCommissioner({ session }: NcpContext): Promise<void> {
  await session.set(PROP.MESHCOP_COMMISSIONER_STATE, DISABLED)
}

export async function inviteJoiner({ session }: NcpContext, { eui64, passphrase, timeoutS }: JoinerInvitation): Promise<void> {
  checkPassphrase(passphrase)
  const joiner = eui64 === undefined ? new Uint8Array(0) : fromHex(eui64)
  if (joiner === undefined || (joiner.length !== 0 && joiner.length !== 8)) {
    throw new AppError('link.network-invalid', 'Not an EUI-64', { details: { field: 'eui64' } })
  }
  await session.insert(PROP.MESHCOP_COMMISSIONER_JOINERS, { joiner, timeoutS: Math.min(timeoutS, MOST_TIMEOUT_S), pskd: passphrase })
}

/** Who may join still. Passphrases stay in the dongle. */
export async function invitedJoiners({ session }: NcpContext): Promise<readonly InvitedJoiner[]> {
  const rows = await session.get(PROP.MESHCOP_COMMISSIONER_JOINERS)
  return rows.map(({ joiner, leftMs }) => ({
    eui64: joiner.length === 8 ? Array.from(joiner, (byte) => byte.toString(16).padStart(2, '0')).join('') : undefined,
    leftMs,
  }))
}
