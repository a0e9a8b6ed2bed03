// Device profiles as a person works with them: which there are and from where, what is wrong with a file, and a trial with a device.
import { join } from 'node:path'
import { AppError, utf8ToText, type Clock, type DeviceId } from '#main/base/index.ts'
import {
  capacityOf,
  isProfileName,
  lintProfile,
  parseProfile,
  systemProfileFiles,
  tryProfile,
  type ContactBook,
  type DeviceContact,
  type DeviceProfile,
  type Inventory,
  type ProfileFiles,
} from '#main/site/devices/index.ts'
import type { GroupEngine } from '#main/site/groups/index.ts'
import type { ProfileFindingRow, ProfileList, ProfileRow, ProfileTrialStep } from '#contract/model.ts'
import type { OpParsed } from '#contract/ops.ts'
import type { CoreOptions } from './types.ts'

export interface ProfileDeskPorts {
  readonly options: Pick<CoreOptions, 'profileDirectories' | 'dataDirectory'>
  /** Those in use, in the order in which they are asked. */
  readonly profiles: readonly DeviceProfile[]
  readonly inventory: Pick<Inventory, 'all' | 'get'>
  readonly contacts: ContactBook
  /** Nothing else is done with a device while a profile is tried on it. */
  readonly groups: Pick<GroupEngine, 'exclusive'>
  readonly clock: Clock
  readonly files?: ProfileFiles
}

export interface ProfileDesk {
  list(): Promise<ProfileList>
  lint(text: string): { findings: ProfileFindingRow[] }
  /** Throws `profile.invalid`, `profile.not-found`, `device.not-found`, `device.no-address`, `network.down`. */
  try(input: OpParsed<'profiles.try'>): Promise<{ profileId: string; steps: ProfileTrialStep[] }>
}

interface ReadFile {
  readonly fileName: string
  readonly profileId: string | undefined
  readonly findings: ProfileFindingRow[]
}

export function createProfileDesk(ports: ProfileDeskPorts): ProfileDesk {
  const { options, profiles, inventory, clock, files = systemProfileFiles } = ports

  async function readFiles(): Promise<readonly ReadFile[]> {
    const found: ReadFile[] = []
    for (const directory of options.profileDirectories) {
      for (const fileName of (await files.readDir(directory)).filter(isProfileName).toSorted()) {
        const text = utf8ToText(await files.readFile(join(directory, fileName))) ?? ''
        const findings = lintProfile(fileName, text).map((finding) => ({ ...finding }))
        found.push({ fileName, profileId: idOf(fileName, text), findings })
      }
    }
    return found
  }

  function contactOf(id: DeviceId): DeviceContact {
    const device = inventory.get(id)
    if (device === undefined) throw new AppError('device.not-found', `No device ${id}`, { details: { id } })
    const client = device.channelId === null ? undefined : ports.contacts.client(device.channelId)
    if (device.at === null) throw new AppError('device.no-address', `${device.name} was not heard yet`, { details: { id } })
    if (client === undefined) throw new AppError('network.down', `The channel of ${device.name} is not up`, { retryable: true })
    return { client, at: device.at, deviceId: id, ...(device.serial === null ? {} : { serial: device.serial }) }
  }

  function profileOf({ deviceId, profileId, text }: OpParsed<'profiles.try'>): DeviceProfile {
    if (text !== undefined) return parseProfile('profile', text)
    const id = profileId ?? inventory.get(deviceId)?.profileId
    const profile = profiles.find((candidate) => candidate.id === id)
    if (profile === undefined)
      throw new AppError('device.no-profile', `There is no profile ${id ?? 'for this device'}`, { details: { id: id ?? '' } })
    return profile
  }

  return {
    async list() {
      const read = await readFiles()
      // A later folder's file is the one in use.
      const byId = new Map(read.flatMap((file) => (file.profileId === undefined ? [] : [[file.profileId, file] as const])))
      const counts = new Map<string, number>()
      for (const { profileId } of inventory.all()) if (profileId !== null) counts.set(profileId, (counts.get(profileId) ?? 0) + 1)
      return {
        profiles: profiles.map((profile) => rowOf(profile, byId.get(profile.id), counts.get(profile.id) ?? 0)),
        broken: read.filter(({ profileId }) => profileId === undefined).map(({ fileName, findings }) => ({ fileName, findings })),
        folder: join(options.dataDirectory, 'profiles'),
      }
    },
    lint: (text) => ({ findings: lintProfile('profile', text).map((finding) => ({ ...finding })) }),
    async try(input) {
      const profile = profileOf(input)
      const contact = contactOf(input.deviceId)
      const steps = await ports.groups.exclusive(input.deviceId, () => tryProfile(profile, contact, { clock, write: input.write }))
      return { profileId: profile.id, steps: steps.map((step) => ({ ...step })) }
    },
  }
}

function rowOf(profile: DeviceProfile, file: ReadFile | undefined, count: number): ProfileRow {
  const { memberships, keys } = capacityOf(profile)
  return {
    id: profile.id,
    name: profile.name,
    source: file === undefined ? 'program' : 'file',
    fileName: file?.fileName ?? null,
    devices: count,
    groupTable: profile.groupTable !== 'none',
    memberships: memberships ?? null,
    keys: keys ?? null,
    actions: profile.actions.map(({ id, label, types }) => ({ id, label, types: [...types] })),
    findings: file?.findings ?? [],
  }
}

function idOf(fileName: string, text: string): string | undefined {
  try {
    return parseProfile(fileName, text).id
  } catch (thrown) {
    if (thrown instanceof AppError) return undefined
    throw thrown
  }
}
