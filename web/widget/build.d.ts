/** What the build (dev/widget.mjs) makes of files. */

declare module 'widget:languages' {
  /** Every file of `languages/`, by its name. */
  export const languages: Record<string, import('./texts.ts').Texts>
}

declare module '*.css' {
  const css: string
  export default css
}
