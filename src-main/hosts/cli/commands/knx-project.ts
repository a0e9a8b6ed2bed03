// groupwright knx settings, address, group, bind: what the project wants of its KNX IoT devices.
import { AppError } from '#main/base/index.ts'
import { knxBindings } from '#contract/model.ts'
import type { OpInput } from '#contract/ops.ts'
import type { CommandContext } from '../context.ts'
import { EXIT } from '../output.ts'
import { findGroup } from './find.ts'
import { withSite } from './with-site.ts'

export async function settingsKnx(context: CommandContext, ...words: readonly string[]): Promise<number> {
  const change = settingsOf(words)
  return withSite(context, async ({ session }) => {
    if (words.length > 0) await session.call('knx.changeSettings', change)
    const settings = await session.call('knx.settings', {})
    const { installation, fabricId, unsecured } = settings
    context.output.value(settings, `installation ${installation}  fabric ${fabricId ?? '–'}  ${unsecured ? 'unsecured' : 'secured'}`)
    return EXIT.ok
  })
}

function settingsOf(words: readonly string[]): OpInput<'knx.changeSettings'> {
  const change: OpInput<'knx.changeSettings'> = {}
  for (const word of words) {
    const [name = '', value = ''] = word.split('=')
    if (name === 'installation') change.installation = value
    else if (name === 'fabric' && /^\d+$/.test(value)) change.fabricId = Number(value)
    else if (name === 'unsecured' && (value === 'true' || value === 'false')) change.unsecured = value === 'true'
    else throw new AppError('input.invalid', `${word} is no setting; installation=…, fabric=… and unsecured=true or false are`)
  }
  return change
}

export async function addressKnx(context: CommandContext, serialNumber = '', individualAddress = ''): Promise<number> {
  return withSite(context, async ({ session }) => {
    await session.call('knx.setAddress', { serialNumber, individualAddress })
    context.output.value({ serialNumber, individualAddress }, `${serialNumber} gets ${individualAddress} with its next change`)
    return EXIT.ok
  })
}

export async function groupKnx(context: CommandContext, name = '', groupAddress?: string): Promise<number> {
  return withSite(context, async ({ session }) => {
    const { id } = findGroup(session, name)
    const given = await session.call('knx.setGroupAddress', { groupId: id, ...(groupAddress === undefined ? {} : { groupAddress }) })
    context.output.value(given, `${name} is ${given.groupAddress}, at ${given.address}`)
    return EXIT.ok
  })
}

export async function bindKnx(context: CommandContext, serialNumber = '', groupAddress = '', ...words: readonly string[]): Promise<number> {
  const objects = knxBindings.safeParse(words.map(bindingOf))
  if (!objects.success) throw new AppError('input.invalid', 'Datapoints are written as /p/o_1_1=read,transmit')
  return withSite(context, async ({ session }) => {
    await session.call('knx.bind', { serialNumber, groupAddress, objects: objects.data })
    const how = words.length === 0 ? 'its first free function' : words.join(' ')
    context.output.value({ serialNumber, groupAddress, objects: objects.data }, `${serialNumber} takes part in ${groupAddress} with ${how}`)
    return EXIT.ok
  })
}

function bindingOf(word: string): unknown {
  const [href, flags = ''] = word.split('=')
  return { href, flags: flags.split(',') }
}
