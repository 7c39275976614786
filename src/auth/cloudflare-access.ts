/**
 * Sign-in by Cloudflare Access: whoever its login let through is a member by their address. The assertion is a JWT that Access puts
 * into every request; it is good only with its signature, for this application (`aud`), of this team (`iss`) and in its time.
 * Service tokens name no person and are refused: programs have API keys.
 *
 * https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/authorization-cookie/validating-json/
 */
import { createRemoteJWKSet, errors, jwtVerify } from 'jose'
import { normaliseAddress } from '../domain/address.ts'

export interface AccessApplication {
  /** `team.cloudflareaccess.com` */
  teamDomain: string
  audience: string
}

type KeySet = ReturnType<typeof createRemoteJWKSet>
const keySets = new Map<string, KeySet>()

/** The address of whoever this is; null where the assertion is not good. @throws where the team's keys cannot be had */
export async function addressInAssertion(
  assertion: string,
  { teamDomain, audience }: AccessApplication,
): Promise<string | null> {
  const issuer = `https://${teamDomain}`
  try {
    const { payload } = await jwtVerify(assertion, keySetOf(issuer), {
      issuer,
      audience,
      algorithms: ['RS256'],
      requiredClaims: ['exp', 'iat'],
      clockTolerance: 5,
    })
    // What a service token gets has `common_name` and no address.
    if (payload.type !== undefined && payload.type !== 'app') return null
    if ('common_name' in payload || typeof payload.email !== 'string' || payload.email === '') return null
    return normaliseAddress(payload.email)
  } catch (error) {
    if (error instanceof errors.JWKSTimeout || !(error instanceof errors.JOSEError)) throw error
    return null
  }
}

/** Fetched once and kept for ten minutes; a key that is not among them is looked for again, at most every 30 seconds. */
function keySetOf(issuer: string): KeySet {
  let known = keySets.get(issuer)
  if (!known) {
    known = createRemoteJWKSet(new URL('/cdn-cgi/access/certs', issuer), {
      timeoutDuration: 5_000,
      cooldownDuration: 30_000,
      cacheMaxAge: 600_000,
    })
    keySets.set(issuer, known)
  }
  return known
}
