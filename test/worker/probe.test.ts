import { expect, it } from 'vitest'
import { isNameless } from '../../src/mail/probe.ts'

const missing = (code: string) => Promise.reject(Object.assign(new Error(code), { code }))
const there = (names: string[], code = 'ENOTFOUND') => {
  const resolve = (name: string) => (names.includes(name) ? Promise.resolve(['192.0.2.1']) : missing(code))
  return { resolve4: resolve, resolve6: () => missing('ENODATA') }
}

it('CT3 where the platform does not say why, a name that DNS does not know is unknown', async () => {
  expect(await isNameless('imap.example.com', there(['gmail.com']))).toBe(true)
  expect(await isNameless('imap.example.com', there(['gmail.com', 'imap.example.com']))).toBe(false)
  const onlyV6 = { ...there(['gmail.com']), resolve6: () => Promise.resolve(['2001:db8::1']) }
  expect(await isNameless('imap.example.com', onlyV6)).toBe(false)
})

it('CT3 and a resolver that is away, fails or is slow says nothing of the name', async () => {
  expect(await isNameless('imap.example.com', there([]))).toBe(false)
  expect(await isNameless('imap.example.com', there(['gmail.com'], 'ESERVFAIL'))).toBe(false)
  const mute = () => new Promise<never>(() => {})
  expect(await isNameless('imap.example.com', { resolve4: mute, resolve6: mute })).toBe(false)
})
