// The face of maintenance within groups.
export { createMaintenance, type Maintenance, type MaintenancePorts } from './service.ts'
export type { MaintenanceDevices, MaintenanceRecord, MaintenanceSecurity, MaintenanceStore } from './types.ts'
