// The device list as the authority's list of expected devices: whoever is planned with a serial number or an EUI-64 is expected by it.
import type { Clock, DeviceId, Logger, Timer } from '#main/base/index.ts'
import { toAppError } from '#main/base/index.ts'
import { normaliseIdentity, type PreRegistrationInput, type RaDesk } from '#main/services/ra/index.ts'
import type { DeviceRecord, Inventory } from '#main/site/devices/index.ts'

export interface ListingPorts {
  readonly inventory: Pick<Inventory, 'feed' | 'get' | 'all' | 'onRemoved'>
  readonly desk: Pick<RaDesk, 'preRegister' | 'preRegistrations' | 'removePreRegistration'>
  readonly clock: Clock
  readonly logger: Logger
}

/** An import brings thousands of rows at once: they are announced together. */
const GATHER_MS = 100
const ACTOR = 'device list'

interface Expected {
  readonly identities: readonly string[]
  readonly name: string
}

/** Keeps the two together until the returned function is called. The reference of a device is its id. */
export function followDeviceList({ inventory, desk, clock, logger }: ListingPorts): () => void {
  const expected = new Map<string, Expected>(
    desk
      .preRegistrations()
      .filter(({ reference, deviceId }) => reference === deviceId)
      .map(({ reference, identities, names }) => [reference, { identities, name: names[0] ?? '' }]),
  )
  let gathered: PreRegistrationInput[] = []
  let timer: Timer | undefined
  let working: Promise<void> = Promise.resolve()

  const note = (ids: readonly DeviceId[]): void => {
    for (const id of ids) {
      const device = inventory.get(id)
      // Looked at now: a moment later the device may have been heard, and is not a planned one any more.
      const input = device === undefined ? undefined : entryOf(device, expected.get(id))
      if (input === undefined) continue
      gathered.push(input)
      expected.set(id, { identities: input.identities ?? [], name: device?.name ?? '' })
    }
    if (gathered.length > 0) timer ??= clock.setTimer(GATHER_MS, announce)
  }
  const announce = (): void => {
    const inputs = [...new Map(gathered.map((input) => [input.reference, input])).values()].filter(({ reference }) =>
      expected.has(reference),
    )
    gathered = []
    timer = undefined
    if (inputs.length === 0) return
    working = working
      .then(() => desk.preRegister(inputs, ACTOR))
      .catch((thrown: unknown) => {
        logger.error({ code: toAppError(thrown).code }, 'devices of the list could not be announced to the authority')
      })
  }

  /** What was planned a moment before the site is closed may have been heard when it is opened again. */
  const flush = (): void => {
    timer?.cancel()
    announce()
  }

  note(inventory.all().map(({ id }) => id))
  // Devices that were removed while the authority was not there.
  for (const reference of expected.keys()) if (inventory.get(reference) === undefined) forget(reference)
  const ends = [inventory.feed.subscribe(note), inventory.onRemoved((ids) => ids.forEach(forget)), flush]
  return () => {
    for (const end of ends) end()
  }

  function forget(id: string): void {
    if (!expected.delete(id)) return
    desk.removePreRegistration(id, ACTOR)
  }
}

/**
 * Undefined where there is nothing new. What a device is known by is taken while it is only planned: what it later says of itself over
 * an unprotected network proves nothing, and must not make it an expected one.
 */
function entryOf({ id, state, serial, eui64, name }: DeviceRecord, known: Expected | undefined): PreRegistrationInput | undefined {
  const isPlanned = state === 'planned' || state === 'expected'
  if (!isPlanned && known === undefined) return undefined
  const planned = [serial, eui64].flatMap((text) => (text === null || text.trim() === '' ? [] : [normaliseIdentity(text)]))
  const identities = isPlanned ? planned : (known?.identities ?? [])
  if (identities.length === 0) return undefined
  const isSame = known?.name === name && known.identities.join('\n') === identities.join('\n')
  return isSame ? undefined : { reference: id, identities, names: [name], deviceId: id }
}
