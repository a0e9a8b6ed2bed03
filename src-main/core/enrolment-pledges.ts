// The demo site's devices as pledges: they learn of the site's authority, and of its next one, as a voucher would tell them.
import { sha256, toHex } from '#main/base/index.ts'
import type { DongleSite } from '#main/simulator/index.ts'
import type { SiteEnrolment } from './enrolment.ts'

/** Who tries things out does not wait a minute for a device to ask again. */
export const DEMO_CHECK_AFTER_S = 5

/** They ask for certificates as soon as there is an authority. The returned function ends that. */
export function admitPledges(demo: Pick<DongleSite, 'admit'>, enrolment: Pick<SiteEnrolment, 'anchors' | 'onChange'>): () => void {
  let told = ''
  const tell = (): void => {
    const { anchors } = enrolment
    const now = anchors.map((der) => toHex(sha256(der))).join()
    if (now !== told) demo.admit(anchors)
    told = now
  }
  tell()
  return enrolment.onChange(tell)
}
