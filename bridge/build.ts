/** Bundles the bridge into one file, so that its image is one COPY: `node bridge/build.ts` writes bridge/dist/bridge.mjs. */
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'

const here = (name: string) => join(import.meta.dirname, name)

const { outputFiles } = await build({
  entryPoints: [here('server.ts')],
  write: false,
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  legalComments: 'eof',
  // Some dependencies of imapflow are CommonJS and call require() for Node's own modules.
  banner: {
    js: "import { createRequire as bridgeRequire } from 'node:module'\nconst require = bridgeRequire(import.meta.url)",
  },
})

// By rename, so that a bridge that starts meanwhile never reads half of it.
await mkdir(here('dist'), { recursive: true })
const draft = here(`dist/bridge.${process.pid}.tmp`)
await writeFile(draft, outputFiles[0]!.contents)
await rename(draft, here('dist/bridge.mjs'))
