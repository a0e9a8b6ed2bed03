// The face of the simulator: a site to try everything on without any hardware.
export { createDemoSite, type DemoDeviceView, type DemoSite, type DemoSiteOptions } from './demo-site.ts'
export { DemoDevice, type DemoMemory, type DeviceReply, type DeviceRequest } from './demo-device.ts'
export { DeviceHost, type DeviceHostOptions } from './device-host.ts'
export { planFloor, type DemoDeviceType, type PlannedDevice } from './floor-plan.ts'
export { Registrar } from './registrar.ts'
