// Entry of the Electron host: the main process starts here.
import { runElectronHost } from './app.ts'
import { createProgram } from '#main/ipc/index.ts'

runElectronHost(createProgram)
