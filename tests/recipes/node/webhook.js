// Judges whether a webhook comes from the service, by either of its signatures (Standard Webhooks). Node alone.
//
// Keep the body as the bytes that came (express.raw), and parse it only after genuine() has said yes. Answer
// a genuine webhook 2xx within 15 seconds and do the work afterwards, others 401. The same event can come more
// than once, always with the same `webhook-id`: remember the ids, and do nothing for one that you have had.
const crypto = require('crypto')

const TOLERANCE_S = 300 // seconds; an older webhook may be a copy that a third party sends again

/** Whether a signature v1 is by the endpoint's secret, whsec_... */
function isBySecret(secret, signature, signed) {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  const wanted = Buffer.from(crypto.createHmac('sha256', key).update(signed).digest('base64'))
  const given = Buffer.from(signature)
  return given.length === wanted.length && crypto.timingSafeEqual(given, wanted)
}

/** Whether a signature v1a is by this key of /.well-known/webhook-key, whpk_... */
function isByKey(publicKey, signature, signed) {
  const x = Buffer.from(publicKey.replace(/^whpk_/, ''), 'base64').toString('base64url')
  const key = crypto.createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  return crypto.verify(null, signed, key, Buffer.from(signature, 'base64'))
}

/**
 * Whether the webhook is signed with the endpoint's secret or by one of the service's public keys. `headers`
 * has names in lower case, as Node's requests do, `body` is a Buffer, `now` is in seconds.
 */
function genuine(headers, body, now, { secret, publicKeys = [] }) {
  const id = headers['webhook-id'], sentAt = headers['webhook-timestamp'] ?? ''
  if (!id || !/^[0-9]{1,12}$/.test(sentAt) || Math.abs(now - Number(sentAt)) > TOLERANCE_S) return false
  const signed = Buffer.concat([Buffer.from(`${id}.${sentAt}.`), body])
  // While a secret or key is being replaced, a webhook has a signature by each.
  return (headers['webhook-signature'] ?? '').split(' ').some((item) => {
    const [version, signature = ''] = item.split(',')
    if (version === 'v1') return secret !== undefined && isBySecret(secret, signature, signed)
    return version === 'v1a' && publicKeys.some((key) => isByKey(key, signature, signed))
  })
}

module.exports = { genuine }
