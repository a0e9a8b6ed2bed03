// What the tests in a site's document prove of its groups that have members.
import { coapGroupUri, holds, proofOf, type Proof } from '#main/site/groups/index.ts'
import type { SiteDocument } from './document.ts'

type Run = SiteDocument['testRuns'][number]

export interface GroupProof {
  readonly group: SiteDocument['applicationGroups'][number]
  readonly standing: Proof<Run>['standing']
  /** The one that it stands on, where it is failed or proven. */
  readonly run: Pick<Run, 'members'> | undefined
  /** The newest one, whatever came of it. */
  readonly latest: Run | undefined
}

export function groupProofs(document: SiteDocument): readonly GroupProof[] {
  const { devices, coapGroups, applicationGroups, memberships, testRuns } = document
  const types = new Map(devices.map(({ id, type }) => [id, type]))
  const places = new Map(coapGroups.map((group) => [group.id, group]))
  const cells = Map.groupBy(memberships, ({ groupId }) => groupId)
  const runs = Map.groupBy(testRuns, ({ groupId }) => groupId)
  return applicationGroups.flatMap((group) => {
    const own = cells.get(group.id) ?? []
    if (group.retired || !own.some(({ desired }) => desired)) return []
    const place = places.get(group.coapGroupId)
    const subject = {
      uri: place === undefined ? '' : coapGroupUri(place),
      // Confirmed for another address is not confirmed for this one.
      cells: own.map((cell) => {
        const isHeld = place !== undefined && holds(cell.applied, { name: group.name, address: place.address, port: place.port })
        return { ...cell, at: Date.parse(cell.at), outcome: isHeld || cell.outcome !== 'confirmed' ? cell.outcome : ('planned' as const) }
      }),
      typeOf: (id: string) => types.get(id),
    }
    const tests = runs.get(group.id) ?? []
    const { standing, run } = proofOf(
      tests.map((run) => ({ ...run, startedAt: Date.parse(run.startedAt) })),
      subject,
    )
    // Runs are in the order of time.
    return [{ group, standing, run, latest: tests.at(-1) }]
  })
}
