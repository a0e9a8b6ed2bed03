// A directory with its CoAP interface on a resource tree.
import { Directory } from './directory.ts'
import { serveDirectory } from './resources.ts'
import type { DirectoryOptions, ResourceDirectory } from './types.ts'

export function createResourceDirectory(options: DirectoryOptions): ResourceDirectory {
  const directory = new Directory(options)
  directory.start((started) => serveDirectory(started, options.registry))
  return directory
}
