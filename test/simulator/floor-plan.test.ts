// The demo site's plan, and its device list read by a CSV parser that nobody here wrote.
import Papa from 'papaparse'
import { describe, expect, it } from 'vitest'
import { isMulticastAddress, parseEui64, silentLogger } from '#main/base/index.ts'
import { createDemoSite, planFloor } from '#main/simulator/index.ts'
import { parseIpv6 } from '#main/wire/ip/index.ts'
import { seededRandom } from '#main/base/index.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { MapMemory } from './harness.ts'

describe('the plan', () => {
  it.each([1, 60, 250, 3000, 10_000])('of %i devices has unique names, serials and EUI-64s', (count) => {
    const plan = planFloor(count, 11)
    expect(plan).toHaveLength(count)
    for (const key of ['name', 'serial', 'eui64'] as const) expect(new Set(plan.map((device) => device[key])).size).toBe(count)
    expect(plan.every((device) => parseEui64(device.eui64) === device.eui64 && /^GW-24-\d{5}$/.test(device.serial))).toBe(true)
  })

  it('grows from its seed, and a larger site only adds rooms', () => {
    expect(planFloor(60, 5)).toEqual(planFloor(60, 5))
    expect(planFloor(60, 5)).not.toEqual(planFloor(60, 6))
    expect(planFloor(200, 5).slice(0, 60)).toEqual(planFloor(60, 5))
  })

  it('has six to eight devices in a room, mostly luminaires, and every type', () => {
    const plan = planFloor(1000, 3)
    const rooms = Map.groupBy(plan, (device) => device.room.join('/'))
    const sizes = [...rooms.values()].map((devices) => devices.length).slice(0, -1)
    expect(Math.min(...sizes)).toBeGreaterThanOrEqual(6)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(8)
    expect(new Set(plan.map((device) => device.type)).size).toBe(5)
    expect(plan.filter((device) => device.type === 'luminaire').length).toBeGreaterThan(500)
    for (const devices of rooms.values()) {
      // `2.14 Panel 1` is in `2.14 Meeting`.
      const number = devices[0]!.room[2].split(' ')[0]!
      expect(devices.every((device) => device.name.startsWith(`${number} `))).toBe(true)
    }
  })
})

it('the device list is CSV with a row for each device', () => {
  const site = createDemoSite({
    devices: 60,
    lossPercent: 0,
    seed: 7,
    clock: new VirtualClock(),
    random: seededRandom(1),
    logger: silentLogger,
    memory: new MapMemory(),
  })
  const { data, errors, meta } = Papa.parse<Record<string, string>>(site.deviceList(), { header: true, skipEmptyLines: true })
  expect(errors).toEqual([])
  expect(meta.fields).toEqual(['Name', 'Type', 'Room', 'EUI64', 'Serial', 'Comment'])
  expect(data).toHaveLength(60)
  data.forEach((row, index) => {
    const planned = site.plan[index]!
    expect(row).toMatchObject({
      Name: planned.name,
      Type: planned.type,
      Room: planned.room.join('/'),
      Serial: planned.serial,
      Comment: planned.comment,
    })
    expect(parseEui64(row.EUI64 ?? '')).toBe(planned.eui64)
    expect(row.Room?.split('/')).toHaveLength(3)
    const { address } = site.stateOf(planned.eui64).address
    expect(parseIpv6(address)).toBeDefined()
    expect(isMulticastAddress(address)).toBe(false)
  })
  expect(() => site.stateOf('nobody')).toThrow(expect.objectContaining({ code: 'device.not-found' }))
})
