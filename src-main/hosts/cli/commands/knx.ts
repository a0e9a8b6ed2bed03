// groupwright knx …: devices of the KNX IoT Point API.
import { AppError } from '#main/base/index.ts'
import { readKnxConfiguration } from '#main/site/devices/index.ts'
import { knxConfiguration } from '#contract/model.ts'
import type { CommandContext } from '../context.ts'
import { EXIT } from '../output.ts'
import { secretOf } from '../secrets.ts'
import { readText } from './devices.ts'
import { withSite } from './with-site.ts'

export async function searchKnx(context: CommandContext, serialNumber?: string): Promise<number> {
  return withSite(context, async ({ session }) => {
    const found = await session.call('knx.search', {
      programmingMode: context.options.programmingMode ?? false,
      ...(serialNumber === undefined ? {} : { serialNumber }),
    })
    context.output.table(found, ['serialNumber', 'individualAddress', 'installation', 'address', 'port', 'opened'])
    return found.length === 0 ? EXIT.failed : EXIT.ok
  })
}

export async function openKnx(context: CommandContext, serialNumber = ''): Promise<number> {
  const password = secretOf(context.options)
  return withSite(context, async ({ session }) => {
    await session.call('knx.open', { serialNumber, ...(password === undefined ? {} : { password }) })
    context.output.value({ opened: serialNumber }, `${serialNumber} can be configured now`)
    return EXIT.ok
  })
}

export async function showKnx(context: CommandContext, serialNumber = ''): Promise<number> {
  return withSite(context, async ({ session }) => {
    const detail = await session.call('knx.show', { serialNumber, unsecured: context.options.unsecured ?? false })
    const lines = [
      `${detail.serialNumber}  ${detail.model}  ${detail.individualAddress ?? 'no address'}  ${detail.loadState}`,
      ...detail.datapoints.map(({ href, resourceTypes }) => `  ${href}  ${resourceTypes.join(' ')}`),
      ...detail.objects.map(({ href, groupAddresses, flags }) => `  ${href} = ${groupAddresses.join(', ')}  (${flags.join(', ')})`),
    ]
    context.output.value(detail, lines.join('\n'))
    return EXIT.ok
  })
}

/** The file has an individual address and group objects, as YAML or JSON. */
export async function configureKnx(context: CommandContext, serialNumber = '', file = ''): Promise<number> {
  const configuration = knxConfiguration.safeParse(readKnxConfiguration(readText(file)))
  if (!configuration.success) {
    const [issue] = configuration.error.issues
    throw new AppError('input.invalid', `${file}: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`)
  }
  return withSite(context, async ({ session }) => {
    const unsecured = context.options.unsecured ?? false
    const done = await session.call('knx.configure', { serialNumber, unsecured, configuration: configuration.data })
    context.output.value(done, done.outcome === 'unchanged' ? 'already so' : 'written and read back')
    return EXIT.ok
  })
}

export async function sendKnx(context: CommandContext, groupAddress = '', text = ''): Promise<number> {
  const value = text === 'true' ? true : text === 'false' ? false : text !== '' && Number.isFinite(Number(text)) ? Number(text) : text
  return withSite(context, async ({ session }) => {
    await session.call('knx.send', { groupAddress, value, unsecured: context.options.unsecured ?? false })
    context.output.value({ sent: value, to: groupAddress }, 'sent')
    return EXIT.ok
  })
}

export async function resetKnx(context: CommandContext, serialNumber = '', kind = 'tables'): Promise<number> {
  if (kind !== 'factory' && kind !== 'tables' && kind !== 'address')
    throw new AppError('input.invalid', 'A reset is of kind factory, tables or address')
  return withSite(context, async ({ session }) => {
    const { seconds } = await session.call('knx.reset', { serialNumber, kind, unsecured: context.options.unsecured ?? false })
    context.output.value({ seconds }, `back in ${seconds} s`)
    return EXIT.ok
  })
}
