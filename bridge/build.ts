/** Bundles the bridge into one file, so that its image is one COPY: `node bridge/build.ts` writes bridge/dist/bridge.mjs. */
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url))

await build({
  entryPoints: [here('server.ts')],
  outfile: here('dist/bridge.mjs'),
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  legalComments: 'linked',
  // Some dependencies of imapflow are CommonJS and call require() for Node's own modules.
  banner: {
    js: "import { createRequire as bridgeRequire } from 'node:module'\nconst require = bridgeRequire(import.meta.url)",
  },
})
