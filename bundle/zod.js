/**
 * What the Worker's script has of zod: all but its sentences in fifty languages, which are a third of it and which nobody here reads.
 * zod hands them out as a part of its one object, so no bundler can leave them away by itself (wrangler.toml puts this in its place).
 * The lines are those of zod's own v4/classic/external.js.
 */
import * as z from './zod-parts.js'

export * from './zod-parts.js'
export { z, z as default }
