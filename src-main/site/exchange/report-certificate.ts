// What the certificate of commissioning states, in figures that the tables below it prove, and who signs for it.
import type { SiteDocument } from './document.ts'
import { html, type Html } from './html.ts'
import { openIssues } from './report-issues.ts'
import type { ReportText } from './report-text.ts'

interface CertificateContext {
  readonly document: SiteDocument
  readonly text: ReportText
  readonly number: (value: number) => string
}

/** A device counts once this tool has configured it and nothing is wrong with it. */
const COMMISSIONED: ReadonlySet<string> = new Set(['configured', 'verified'])

export function statement({ document, text, number }: CertificateContext): Html {
  const { devices, applicationGroups, memberships, testRuns } = document
  const commissioned = devices.filter(({ state }) => COMMISSIONED.has(state)).length
  const populated = new Set(memberships.filter(({ desired }) => desired).map(({ groupId }) => groupId))
  const groups = applicationGroups.filter(({ id, retired }) => !retired && populated.has(id))
  // Runs are in the order of time: the last one of a group counts.
  const latest = new Map(testRuns.map((run) => [run.groupId, run]))
  const proven = groups.filter(({ id }) => isProven(latest.get(id))).length
  const open = openIssues(document, text).reduce((sum, { subjects }) => sum + subjects.length, 0)
  const share = (part: number, whole: number): string => text.outOf(number(part), number(whole))
  return html`<section class="statement">
    <p><strong>${open === 0 ? text.withoutReservation : text.withReservation(number(open))}</strong></p>
    <p>${text.stated(share(commissioned, devices.length), share(proven, groups.length))}</p>
  </section>`
}

function isProven(run: SiteDocument['testRuns'][number] | undefined): boolean {
  if (run?.failure !== null) return false
  return run.members.every(({ verdict, seen }) => verdict === 'heard' || verdict === 'silent-changed' || seen === true)
}

export function signatures({ document, text }: CertificateContext): Html {
  const line = (who: string, name: string): Html =>
    html`<div class="signature">
      <p>${who}</p>
      <div class="line"></div>
      <p class="small">${name === '' ? text.nameOfSigner : `${text.nameOfSigner}: ${name}`}</p>
      <p class="small">${text.placeAndDate}</p>
    </div>`
  return html`<section class="signatures">
    <h2>${text.signatures}</h2>
    <p class="small">${text.signedFor}</p>
    ${line(text.signedInstaller, document.site.operator)}${line(text.signedOwner, '')}
  </section>`
}
