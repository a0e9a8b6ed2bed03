// What the certificate of commissioning states, in figures that the tables below it prove, and who signs for it.
import type { SiteDocument } from './document.ts'
import { html, type Html } from './html.ts'
import { openIssues } from './report-issues.ts'
import { groupProofs } from './report-proof.ts'
import type { ReportText } from './report-text.ts'

interface CertificateContext {
  readonly document: SiteDocument
  readonly text: ReportText
  readonly number: (value: number) => string
}

/** A device counts once this tool has configured it and nothing is wrong with it. */
const COMMISSIONED: ReadonlySet<string> = new Set(['configured', 'verified'])

export function statement({ document, text, number }: CertificateContext): Html {
  const { devices } = document
  const commissioned = devices.filter(({ state }) => COMMISSIONED.has(state)).length
  const groups = groupProofs(document)
  const proven = groups.filter(({ standing }) => standing === 'proven').length
  const open = openIssues(document, text).reduce((sum, { subjects }) => sum + subjects.length, 0)
  const share = (part: number, whole: number): string => text.outOf(number(part), number(whole))
  return html`<section class="statement">
    <p><strong>${open === 0 ? text.withoutReservation : text.withReservation(number(open))}</strong></p>
    <p>${text.stated(share(commissioned, devices.length), share(proven, groups.length))}</p>
  </section>`
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
