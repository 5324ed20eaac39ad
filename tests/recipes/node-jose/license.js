// Judges a licence offline, with jose (Debian: node-jose; npm: jose).
const jose = require('jose')

/** The payload of a token that one of the keys signed; throws otherwise. */
async function opened(token, jwks, typ) {
  const { payload, protectedHeader } = await jose.compactVerify(
    token.replace(/\s/g, ''), jose.createLocalJWKSet(jwks), { algorithms: ['RS256'] })
  if (Object.keys(protectedHeader).sort().join() !== 'alg,kid,typ' || protectedHeader.typ !== typ) throw new Error('not ours')
  return { ...JSON.parse(new TextDecoder().decode(payload)), kid: protectedHeader.kid }
}

/** The verdict on a licence. */
async function judge(token, { jwks, issuer, revocations, now, instance, graceDays = 30 }) {
  if (!token.trim()) return 'none'
  let claims, list
  try {
    claims = await opened(token, jwks, 'JWT')
    list = await opened(revocations, jwks, 'revocations+jwt')
    if (claims.iss !== issuer || !claims.sub || claims.sub !== claims.customerId || !claims.jti || !claims.features ||
        !claims.subscription || !Number.isInteger(claims.exp) || claims.exp !== claims.expiresAt ||
        !Number.isInteger(claims.iat) || claims.iat !== claims.issuedAt) return 'forged'
  } catch { return 'forged' }
  const status = claims.subscription.status, end = claims.exp
  // One entry of revokedBefore stands for all older licences of a customer, one of distrustedKeys for all
  // licences of a stolen key.
  if (list.revoked.includes(claims.jti) || (list.distrustedKeys ?? []).includes(claims.kid) ||
      (list.revokedBefore ?? []).some(([customer, before]) => customer === claims.sub && claims.iat < before)) return 'revoked'
  // A bound licence is for one installation alone.
  if ('instance' in claims && claims.instance !== instance) return 'wrong_instance'
  if (!['active', 'trialing', 'past_due'].includes(status) || claims.subscription.access === false) return 'canceled'
  if (now < Math.max(claims.iat, claims.nbf ?? 0) - 86400) return 'clock_suspicious'
  const days = Math.min(graceDays, claims.grace?.maxDays ?? graceDays), staleDays = claims.offline?.staleDays
  const over = now >= end + 120
  if (over && (claims.trial.isTrialMode || now >= end + 120 + days * 86400)) return 'expired'
  if (staleDays && now >= Math.max(claims.iat, list.iat) + staleDays * 86400 + 120) return 'stale'
  return over || status === 'past_due' ? 'grace' : 'valid'
}

module.exports = { judge }
