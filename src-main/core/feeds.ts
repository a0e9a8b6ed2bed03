// The feeds of the program: they outlive sites; an open site's own feeds are mirrored into them.
import { KeyedFeed } from '#main/base/index.ts'
import type { FeedName, FeedRow } from '#contract/feeds.ts'

export type CoreFeeds = { readonly [Name in FeedName]: KeyedFeed<FeedRow<Name>> }

export function createFeeds(preferences: CoreFeeds['preferences']): CoreFeeds {
  return {
    session: new KeyedFeed((row) => row.key),
    preferences,
    access: new KeyedFeed((row) => row.key),
    progress: new KeyedFeed((row) => row.step),
    checks: new KeyedFeed((row) => row.check),
    problems: new KeyedFeed((row) => row.id),
    rooms: new KeyedFeed((row) => row.id),
    devices: new KeyedFeed((row) => row.id),
    discovery: new KeyedFeed((row) => row.key),
    coapGroups: new KeyedFeed((row) => row.id),
    applicationGroups: new KeyedFeed((row) => row.id),
    memberships: new KeyedFeed((row) => row.key),
    plan: new KeyedFeed((row) => row.id),
    templates: new KeyedFeed((row) => row.id),
    templateUses: new KeyedFeed((row) => row.roomId),
    walk: new KeyedFeed((row) => row.key),
    jobs: new KeyedFeed((row) => row.id),
    jobItems: new KeyedFeed((row) => row.key),
    testRuns: new KeyedFeed((row) => row.id),
    history: new KeyedFeed((row) => row.key),
    maintenance: new KeyedFeed((row) => row.id),
    checklist: new KeyedFeed((row) => row.item),
    exports: new KeyedFeed((row) => row.handle),
    pushTargets: new KeyedFeed((row) => row.id),
    writer: new KeyedFeed((row) => row.key),
    directory: new KeyedFeed((row) => row.key),
    links: new KeyedFeed((row) => row.id),
    ra: new KeyedFeed((row) => row.key),
    admission: new KeyedFeed((row) => row.key),
    pledges: new KeyedFeed((row) => row.key),
    joining: new KeyedFeed((row) => row.key),
    drift: new KeyedFeed((row) => row.deviceId),
    survey: new KeyedFeed((row) => row.key),
    trace: new KeyedFeed((row) => row.key),
    security: new KeyedFeed((row) => row.key),
    securityGroups: new KeyedFeed((row) => row.id),
    protections: new KeyedFeed((row) => row.groupId),
    securityMembers: new KeyedFeed((row) => row.key),
    securityDevices: new KeyedFeed((row) => row.deviceId),
    securityPlan: new KeyedFeed((row) => row.id),
    securityFindings: new KeyedFeed((row) => row.id),
    findings: new KeyedFeed((row) => row.id),
    groupSettings: new KeyedFeed((row) => row.key),
  }
}
