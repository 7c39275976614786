/** What is wrong with a certificate, in sentences: one code, and the sentence says which. */
export type CertificateFault = 'expired' | 'not yet' | 'name' | 'issuer'

export const CERTIFICATE_SENTENCES: Record<CertificateFault, string> = {
  expired: 'The certificate of the mail server has expired.',
  'not yet': 'The certificate of the mail server is not valid yet.',
  name: 'The certificate of the mail server is for another name. Give the name that stands in it.',
  issuer: 'The certificate of the mail server is not signed by an authority that is trusted.',
}

/** In the order in which they would be mended: a certificate may have them all. `from` and `to` in ms since the epoch. */
export function certificateFault(
  about: { from: number; to: number; namesHost: boolean },
  now: number,
): CertificateFault {
  if (now > about.to) return 'expired'
  if (now < about.from) return 'not yet'
  return about.namesHost ? 'issuer' : 'name'
}
