// The face of the simulator: a site to try everything on without any hardware.
export { createDemoSite, type DemoDevices, type DemoDeviceView, type DemoSite, type DemoSiteOptions } from './demo-site.ts'
export { createDongleSite, siteDataset, type DongleSite, type DongleSiteOptions } from './dongle-site.ts'
export type { SerialFaults } from './dongle/faults.ts'
export type { PtyDongle } from './dongle/pty.ts'
export { DemoDevice, type DemoMemory, type DeviceReply, type DeviceRequest } from './demo-device.ts'
export { DeviceHost, type DeviceHostOptions } from './device-host.ts'
export { planFloor, type DemoDeviceType, type PlannedDevice } from './floor-plan.ts'
export { Registrar } from './registrar.ts'
