// The commissioning report as one self-contained page of HTML that prints on A4: who, where, what, proven how, what is open, signed by whom.
import type { TestMember } from '#contract/model.ts'
import type { SiteDocument } from './document.ts'
import { html, type Html } from './html.ts'
import { signatures, statement } from './report-certificate.ts'
import { openIssues } from './report-issues.ts'
import { protectionWords, securityTable } from './report-security.ts'
import { REPORT_STYLE } from './report-style.ts'
import { reportTexts, type ReportLocale, type ReportText } from './report-text.ts'

export interface ReportOptions {
  readonly locale: ReportLocale
  readonly at: number
  /** Name and version of this program. */
  readonly tool: string
  readonly revision: number
  /** Digest of the JSON export of the same data. */
  readonly sha256: string
  /** IANA time zone of the times; the machine's own by default. */
  readonly timeZone?: string | undefined
  /** For the screen: long lists end after so many rows, with a note. Files are complete. */
  readonly preview?: boolean | undefined
}

/** Rows of each long list in a preview. */
export const PREVIEW_ROWS = 200
/** Names listed of one kind of open issue; each has its row in the tables below. */
const LISTED_PER_ISSUE = 100

interface Context {
  readonly document: SiteDocument
  readonly text: ReportText
  readonly time: (iso: string | number | null) => string
  readonly number: (value: number) => string
  readonly deviceName: (id: string) => string
  /** Rows of a long list. */
  readonly rowLimit: number
}

export function renderReport(document: SiteDocument, options: ReportOptions): string {
  const text = reportTexts[options.locale]
  const timeFormat = new Intl.DateTimeFormat(options.locale, {
    dateStyle: 'medium',
    timeStyle: 'long',
    ...(options.timeZone === undefined ? {} : { timeZone: options.timeZone }),
  })
  const numberFormat = new Intl.NumberFormat(options.locale, { maximumFractionDigits: 1 })
  const names = new Map(document.devices.map((device) => [device.id, device.name]))
  const context: Context = {
    document,
    text,
    time: (at) => (at === null ? '' : timeFormat.format(typeof at === 'string' ? Date.parse(at) : at)),
    number: (value) => numberFormat.format(value),
    deviceName: (id) => names.get(id) ?? id,
    rowLimit: options.preview === true ? PREVIEW_ROWS : Infinity,
  }
  const page = html`<!doctype html>
    <html lang="${options.locale}">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${text.title} – ${document.site.name}</title>
        <style>
          ${REPORT_STYLE}
        </style>
      </head>
      <body>
        <main>
          ${heading(context, options)} ${statement(context)} ${summary(context)} ${issueList(context)} ${groupTable(context)}
          ${securityTable(context)} ${testTable(context)} ${deviceTables(context)} ${signatures(context)}
        </main>
      </body>
    </html> `
  return page.text
}

function heading({ document, text, time, number }: Context, options: ReportOptions): Html {
  const { site } = document
  const facts: ReadonlyArray<readonly [string, string]> = [
    [text.site, site.name],
    [text.organisation, site.organisation],
    [text.address, site.address],
    [text.operator, site.operator],
    [text.date, time(options.at)],
    [text.revision, number(options.revision)],
    [text.tool, options.tool],
  ]
  const rows = facts
    .filter(([, value]) => value !== '')
    .map(
      ([label, value]) =>
        html`<div>
          <dt>${label}</dt>
          <dd>${value}</dd>
        </div> `,
    )
  const demo = site.kind === 'demo' ? [html`<p class="notice">${text.demo}</p>`] : []
  return html`<header>
    <h1>${text.title}</h1>
    <dl>
      ${rows}
      <div class="wide">
        <dt>${text.dataSet}</dt>
        <dd>${options.sha256}</dd>
      </div>
    </dl>
    ${demo}
  </header>`
}

function summary({ document, text, number }: Context): Html {
  const states = Map.groupBy(document.devices, (device) => device.state)
  const desired = document.memberships.filter((cell) => cell.desired)
  const confirmed = desired.filter((cell) => cell.outcome === 'confirmed')
  const tiles: ReadonlyArray<readonly [string, string]> = [
    [text.devices, number(document.devices.length)],
    ...[...states].map(([state, devices]) => [`${text.devices}: ${text.states[state]}`, number(devices.length)] as const),
    [text.groups, number(document.applicationGroups.filter((group) => !group.retired).length)],
    [text.confirmedMembers, `${number(confirmed.length)} / ${number(desired.length)}`],
  ]
  return html`<section>
    <h2>${text.summary}</h2>
    <table class="narrow">
      <tbody>
        ${tiles.map(
          ([label, value]) =>
            html`<tr>
              <th scope="row">${label}</th>
              <td class="number">${value}</td>
            </tr> `,
        )}
      </tbody>
    </table>
  </section>`
}

function issueList({ document, text, number }: Context): Html {
  const issues = openIssues(document, text)
  if (issues.length === 0)
    return html`<section>
      <h2>${text.issues}</h2>
      <p>${text.noIssues}</p>
    </section>`
  const items = issues.map(
    ({ title, subjects }) =>
      html`<tr>
        <th scope="row">${title}</th>
        <td class="number">${number(subjects.length)}</td>
        <td>${joined(subjects, ', ', LISTED_PER_ISSUE, (more) => text.andMore(number(more)))}</td>
      </tr> `,
  )
  return html`<section>
    <h2>${text.issues}</h2>
    <table>
      <tbody>
        ${items}
      </tbody>
    </table>
  </section>`
}

/** The first of the texts, and how many there are besides. */
function joined(texts: readonly string[], separator: string, limit: number, rest: (count: number) => string): string {
  return texts.length <= limit ? texts.join(separator) : `${texts.slice(0, limit).join(separator)} ${rest(texts.length - limit)}`
}

function moreNote(count: number, { text, number, rowLimit }: Context): readonly Html[] {
  return count <= rowLimit ? [] : [html`<p class="more">${text.moreInFile(number(count - rowLimit))}</p>`]
}

function groupTable(context: Context): Html {
  const { document, text, deviceName, number, rowLimit } = context
  const rooms = new Map(document.rooms.map((room) => [room.id, room.name]))
  const coapGroups = new Map(document.coapGroups.map((group) => [group.id, group]))
  const members = Map.groupBy(
    document.memberships.filter((cell) => cell.desired),
    (cell) => cell.groupId,
  )
  const groups = document.applicationGroups.filter((group) => !group.retired)
  const rows = groups
    .toSorted(byName)
    .slice(0, rowLimit)
    .map((group) => {
      const coap = coapGroups.get(group.coapGroupId)
      const cells = members.get(group.id) ?? []
      const confirmed = cells.filter((cell) => cell.outcome === 'confirmed').length
      const protection = protectionWords(document, group.id, text)
      const list = cells.map((cell) =>
        cell.outcome === 'confirmed' ? deviceName(cell.deviceId) : `${deviceName(cell.deviceId)} (${text.outcomes[cell.outcome]})`,
      )
      return html`<tr>
        <th scope="row">${group.name}</th>
        <td>${group.roomId === null ? '' : (rooms.get(group.roomId) ?? '')}</td>
        <td class="code">${coap === undefined ? '' : `${coap.address} ${coap.port}`}</td>
        <td class="${protection.bare && cells.length > 0 ? 'bare' : ''}">${protection.words}</td>
        <td class="number">${number(confirmed)} / ${number(cells.length)}</td>
        <td>${joined(list.sort(compare), ', ', rowLimit, (more) => text.moreInFile(number(more)))}</td>
      </tr> `
    })
  return html`<section>
    <h2>${text.groupSchedule}</h2>
    <table>
      <thead>
        <tr>
          <th scope="col">${text.group}</th>
          <th scope="col">${text.room}</th>
          <th scope="col">${text.groupAddress}</th>
          <th scope="col">${text.protection}</th>
          <th scope="col">${text.confirmed}</th>
          <th scope="col">${text.members}</th>
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
    ${moreNote(groups.length, context)}
  </section>`
}

function testTable(context: Context): Html {
  const { document, text, time, number, deviceName, rowLimit } = context
  if (document.testRuns.length === 0)
    return html`<section>
      <h2>${text.tests}</h2>
      <p>${text.noTests}</p>
    </section>`
  const ms = (value: number | null): string => (value === null ? '–' : `${number(value)} ms`)
  // In the order of time: a preview has the newest.
  const rows = document.testRuns.slice(-rowLimit).map((run) => {
    const heard = run.members.filter((member) => member.verdict === 'heard').length
    const others = run.members.filter((member) => member.verdict !== 'heard' || member.seen !== null)
    const results = others.map((member) => `${deviceName(member.deviceId)}: ${memberResult(member, text)}`)
    const listed = joined(results, '; ', rowLimit, (more) => text.moreInFile(number(more)))
    const outcome = run.failure === null ? listed : `${text.outcomes.failed}: ${run.failure.code}`
    return html`<tr>
      <th scope="row">${run.groupName}</th>
      <td>${run.action}</td>
      <td>${time(run.startedAt)}</td>
      <td class="number">${number(run.repeats)}</td>
      <td class="number">${number(heard)} / ${number(run.members.length)}</td>
      <td class="number">${ms(run.medianMs)}</td>
      <td class="number">${ms(run.spreadMs)}</td>
      <td class="number">${number(run.messageBytes)} B</td>
      <td class="${run.protection === null ? 'bare' : ''}">${run.protection ?? text.unprotected}</td>
      <td>${outcome}</td>
    </tr> `
  })
  const columns = [
    text.group,
    text.action,
    text.time,
    text.repeats,
    text.heard,
    text.median,
    text.spread,
    text.messageSize,
    text.protection,
    text.results,
  ]
  return html`<section>
    <h2>${text.tests}</h2>
    <table>
      <thead>
        <tr>
          ${columns.map((column) => html`<th scope="col">${column}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
    ${moreNote(document.testRuns.length, context)}
  </section>`
}

function memberResult(member: Pick<TestMember, 'verdict' | 'code' | 'seen'>, text: ReportText): string {
  const verdict = member.code === null ? text.verdicts[member.verdict] : `${text.verdicts[member.verdict]} ${member.code}`
  if (member.seen === null) return verdict
  return `${verdict}, ${member.seen ? text.seenBy : text.seenOtherwise}`
}

function deviceTables(context: Context): Html {
  const { document, text, rowLimit } = context
  const rooms = new Map(document.rooms.map((room) => [room.id, room]))
  let left = rowLimit
  const byRoom = [...Map.groupBy(document.devices, (device) => device.roomId)]
    .map(([roomId, devices]) => ({ name: pathOf(roomId, rooms), devices }))
    .sort((a, b) => compare(a.name, b.name))
    .flatMap(({ name, devices }) => {
      const shown = left > 0 ? devices.toSorted(byName).slice(0, left) : []
      left -= shown.length
      return shown.length === 0 ? [] : [{ name, devices: shown }]
    })
  const names = new Map(document.applicationGroups.map((group) => [group.id, group.name]))
  const groupsOf = Map.groupBy(
    document.memberships.filter((cell) => cell.desired),
    (cell) => cell.deviceId,
  )
  const columns = [text.name, text.type, text.serial, 'EUI-64', text.model, text.lastAddress, text.groups, text.state]
  const tables = byRoom.map(
    ({ name, devices }) =>
      html`<h3>${name === '' ? text.noRoom : name}</h3>
        <table>
          <thead>
            <tr>
              ${columns.map((column) => html`<th scope="col">${column}</th>`)}
            </tr>
          </thead>
          <tbody>
            ${devices.map(
              (device) =>
                html`<tr>
                  <th scope="row">${device.name}</th>
                  <td>${text.types[device.type]}</td>
                  <td class="code">${device.serial ?? ''}</td>
                  <td class="code">${device.eui64 ?? ''}</td>
                  <td>${device.model ?? ''}</td>
                  <td class="code">${device.address?.address ?? ''}</td>
                  <td>
                    ${(groupsOf.get(device.id) ?? [])
                      .map((cell) => names.get(cell.groupId) ?? '')
                      .sort(compare)
                      .join(', ')}
                  </td>
                  <td>${text.states[device.state]}</td>
                </tr> `,
            )}
          </tbody>
        </table>`,
  )
  return html`<section>
    <h2>${text.asBuilt}</h2>
    ${tables} ${moreNote(document.devices.length, context)}
  </section>`
}

/** `Building / Floor / Room`; documents hold no circles, but a report must end in any case. */
function pathOf(roomId: string | null, rooms: ReadonlyMap<string, SiteDocument['rooms'][number]>): string {
  const names: string[] = []
  for (let room = roomId === null ? undefined : rooms.get(roomId); room !== undefined && names.length < 20;) {
    names.unshift(room.name)
    room = room.parentId === null ? undefined : rooms.get(room.parentId)
  }
  return names.join(' / ')
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return compare(a.name, b.name)
}

const collator = new Intl.Collator('en', { numeric: true })

function compare(a: string, b: string): number {
  return collator.compare(a, b)
}
