/**
 * The chat widget as one file, dist/assets/widget.js, made anew where a source is newer. Plain JavaScript, because dev/setup.mjs runs it on
 * whatever Node the machine has (18 or newer).
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const source = join(root, 'web/widget')
const assets = join(root, 'dist/assets')
const made = join(assets, 'widget.js')

/** Other people's pages load it: any origin may, and a new version is theirs within the hour, without a word of the page's author. */
const HEADERS = `/widget.js
  Access-Control-Allow-Origin: *
  Cross-Origin-Resource-Policy: cross-origin
  Cache-Control: public, max-age=3600, stale-while-revalidate=86400
  Content-Type: text/javascript; charset=utf-8
  X-Content-Type-Options: nosniff
`

/** @returns {Promise<boolean>} whether it had to be made */
export async function buildWidget() {
  if (existsSync(made) && statSync(made).mtimeMs > newest()) return false
  // Loaded only here: on a fresh machine it is not there before setup.mjs has installed it.
  const { build } = await import('esbuild')
  mkdirSync(assets, { recursive: true })
  await build({
    entryPoints: [join(source, 'main.ts')],
    outfile: made,
    bundle: true,
    minify: true,
    format: 'iife',
    target: ['es2022', 'safari15'],
    charset: 'utf8',
    // The byte order mark says so to pages of other encodings, too.
    banner: { js: '\ufeff' },
    legalComments: 'none',
    logLevel: 'warning',
    plugins: [languages, styles],
  })
  writeFileSync(join(assets, '_headers'), HEADERS)
  return true
}

/** When a source was changed last, ms. */
function newest() {
  const files = readdirSync(source, { withFileTypes: true }).flatMap(one =>
    one.isDirectory()
      ? readdirSync(join(source, one.name)).map(name => join(source, one.name, name))
      : [join(source, one.name)],
  )
  const others = [join(root, 'src/domain/ids.ts'), fileURLToPath(import.meta.url)]
  return Math.max(
    ...[source, join(source, 'languages'), ...files, ...others].map(path => statSync(path).mtimeMs),
  )
}

/** `widget:languages` is every file of languages/, by its name: another language is one file, and no list. What each says is told once. */
const languages = {
  name: 'languages',
  setup(build) {
    build.onResolve({ filter: /^widget:languages$/ }, ({ path }) => ({ path, namespace: 'languages' }))
    build.onLoad({ filter: /.*/, namespace: 'languages' }, async () => {
      const names = readdirSync(join(source, 'languages')).map(name => name.replace(/\.ts$/, ''))
      const all = await Promise.all(names.sort().map(name => textsOf(build.esbuild, name)))
      const keys = Object.keys(all[0])
      const lists = all.map((texts, i) => {
        const said = keys.map(key => texts[key])
        if (said.some(text => !text || text.includes('|')))
          throw new Error(`${names[i]} lacks a text, or has a |`)
        return `${JSON.stringify(names[i])}: of(${JSON.stringify(said.join('|'))})`
      })
      return {
        contents: `const keys = ${JSON.stringify(keys.join('|'))}.split('|')
const of = all => Object.fromEntries(all.split('|').map((text, i) => [keys[i], text]))
export const languages = { ${lists.join(', ')} }`,
      }
    })
  },
}

async function textsOf(esbuild, name) {
  const text = readFileSync(join(source, 'languages', `${name}.ts`), 'utf8')
  const { code } = await esbuild.transform(text, { loader: 'ts', format: 'esm' })
  return (await import(`data:text/javascript;charset=utf-8,${encodeURIComponent(code)}`)).default
}

/** A style sheet is a string, minified. */
const styles = {
  name: 'styles',
  setup(build) {
    build.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { outputFiles } = await build.esbuild.build({
        entryPoints: [path],
        minify: true,
        write: false,
        target: ['chrome100', 'safari15', 'firefox100'],
      })
      return { contents: outputFiles[0].text.trim(), loader: 'text' }
    })
  },
}
