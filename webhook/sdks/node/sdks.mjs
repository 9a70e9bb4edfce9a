// One entry per SDK: verify says whether the SDK takes a request for genuine (it
// throws, or returns anything but true, where not), and sign makes the headers of
// a genuine one. Bodies are given as the SDK's documentation has it: as bytes
// where it takes them, and else as text.
import { createHash, createHmac, createSign } from 'node:crypto'
import { parse as parseForm, stringify as formOf } from 'node:querystring'

import Adyen from '@adyen/api-library'
import { verifyWebhookSignature } from '@hookdeck/sdk/webhooks/helpers.js'
import { Paddle } from '@paddle/paddle-node-sdk'
import '@shopify/shopify-api/adapters/node'
import { ApiVersion, LogSeverity, shopifyApi } from '@shopify/shopify-api'
import { AlipaySdk } from 'alipay-sdk'
import braintree from 'braintree'
import coinbase from 'coinbase-commerce-node'
import * as gocardless from 'gocardless-nodejs/webhooks'
import { WebhookSignatureValidator } from 'mercadopago'
import Razorpay from 'razorpay'
import { WebhooksHelper } from 'square'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import Stripe from 'stripe'
import { Webhook as SvixWebhook } from 'svix'
import { Decorator, Formatter, Rsa } from 'wechatpay-axios-plugin'

// hmac signs where an SDK can only verify.
const hmac = (secret, encoding, ...parts) => {
  const mac = createHmac('sha256', secret)
  for (const part of parts) mac.update(part)
  return mac.digest(encoding)
}

const seconds = (request) => Math.floor(request.at / 1000)

const stripe = new Stripe('sk_test_unused')
const paddle = new Paddle('unused')
const adyen = new Adyen.hmacValidator()

function adyenItems(request) {
  return JSON.parse(request.text).notificationItems.map((item) => item.NotificationRequestItem)
}

// Shopify's SDK wants a configuration, which holds the secret.
const shops = new Map()
function shop(secret) {
  if (!shops.has(secret)) {
    shops.set(secret, shopifyApi({
      apiKey: 'unused', apiSecretKey: secret, hostName: 'shop.example', isEmbeddedApp: false,
      apiVersion: Object.values(ApiVersion).at(-1), logger: { level: LogSeverity.Error },
    }))
  }
  return shops.get(secret)
}

const braintreeKey = 'xbh5z9mq7k2w4n8t'
const wechatpayKey = 'PUB_KEY_ID_0114232134912410000000000000'

function braintreeGateway(secret) {
  return new braintree.BraintreeGateway({
    environment: braintree.Environment.Sandbox, merchantId: 'unused', publicKey: braintreeKey, privateKey: secret,
  })
}

const braintreeDigest = (secret) => createHash('sha1').update(secret).digest()

// Alipay's SDK wants the app's key too, with which it would sign requests.
const alipay = (key) => new AlipaySdk({ appId: 'unused', privateKey: 'unused', alipayPublicKey: key })

// standard is how the two libraries of Standard Webhooks are asked, which differ
// in the names of the headers.
const standard = (Webhook, prefix) => ({
  verify: ({ secret, body, headers }) => {
    new Webhook(secret).verify(body, headers, { jsonParse: false })
    return true
  },
  sign: (request) => {
    const { secret, body, headers } = request
    const id = headers['webhook-id'] ?? headers['svix-id'] ?? 'msg_1'
    return {
      headers: {
        [prefix + 'Id']: id,
        [prefix + 'Timestamp']: String(seconds(request)),
        [prefix + 'Signature']: new Webhook(secret).sign(id, new Date(), body),
      },
    }
  },
})

export const sdks = {
  stripe: {
    verify: ({ secret, body, headers }) => stripe.webhooks.signature.verifyHeader(body, headers['stripe-signature'], secret, 300),
    sign: (request) => ({
      headers: {
        'Stripe-Signature': stripe.webhooks.generateTestHeaderString({
          payload: request.text, secret: request.secret, timestamp: seconds(request),
        }),
      },
    }),
  },
  standardwebhooks: standard(StandardWebhook, 'Webhook-'),
  svix: standard(SvixWebhook, 'Svix-'),
  '@adyen/api-library': {
    // A batch counts when any of its items does, as each is signed by itself.
    verify: (request) => {
      const signature = request.headers.hmacsignature
      if (signature !== undefined) return adyen.validateHMACSignature(request.secret, signature, request.text)
      return adyenItems(request).some((item) => {
        try {
          return adyen.validateHMAC(item, request.secret)
        } catch {
          return false
        }
      })
    },
    sign: (request) => {
      if (request.headers.hmacsignature !== undefined) {
        return { headers: { Hmacsignature: adyen.calculateHmac(request.text, request.secret) } }
      }
      const root = JSON.parse(request.text)
      for (const { NotificationRequestItem: item } of root.notificationItems) {
        item.additionalData = { ...item.additionalData, hmacSignature: adyen.calculateHmac(item, request.secret) }
      }
      return { headers: {}, body: Buffer.from(JSON.stringify(root)) }
    },
  },
  square: {
    verify: ({ secret, text, headers, url }) => WebhooksHelper.verifySignature({
      requestBody: text, signatureHeader: headers['x-square-hmacsha256-signature'], signatureKey: secret, notificationUrl: url,
    }),
    sign: ({ secret, body, url }) => ({ headers: { 'X-Square-Hmacsha256-Signature': hmac(secret, 'base64', url, body) } }),
  },
  razorpay: {
    verify: ({ secret, text, headers }) => Razorpay.validateWebhookSignature(text, headers['x-razorpay-signature'], secret),
    sign: ({ secret, body }) => ({ headers: { 'X-Razorpay-Signature': hmac(secret, 'hex', body) } }),
  },
  '@paddle/paddle-node-sdk': {
    verify: ({ secret, text, headers }) => paddle.webhooks.isSignatureValid(text, secret, headers['paddle-signature']),
    sign: (request) => {
      const at = seconds(request)
      return { headers: { 'Paddle-Signature': `ts=${at};h1=${hmac(request.secret, 'hex', `${at}:`, request.body)}` } }
    },
  },
  '@shopify/shopify-api': {
    verify: async ({ secret, text, headers }) => {
      const rawRequest = { method: 'POST', url: '/webhooks', headers }
      return (await shop(secret).webhooks.validate({ rawBody: text, rawRequest, rawResponse: {} })).valid
    },
    sign: ({ secret, body }) => ({ headers: { 'X-Shopify-Hmac-Sha256': hmac(secret, 'base64', body) } }),
  },
  'gocardless-nodejs': {
    verify: ({ secret, body, headers }) => {
      gocardless.verifySignature(body, secret, headers['webhook-signature'])
      return true
    },
    sign: ({ secret, body }) => ({ headers: { 'Webhook-Signature': hmac(secret, 'hex', body) } }),
  },
  'coinbase-commerce-node': {
    verify: ({ secret, text, headers }) => coinbase.Webhook.verifySigHeader(text, headers['x-cc-webhook-signature'], secret),
    sign: ({ secret, text }) => ({ headers: { 'X-Cc-Webhook-Signature': coinbase.Webhook.computeSignature(text, secret) } }),
  },
  '@hookdeck/sdk': {
    verify: async ({ secret, text, headers }) =>
      (await verifyWebhookSignature({ headers, rawBody: text, signingSecret: secret })).isValidSignature,
    sign: ({ secret, body }) => ({ headers: { 'X-Hookdeck-Signature': hmac(secret, 'base64', body) } }),
  },
  mercadopago: {
    verify: ({ secret, headers, url }) => {
      const query = parseForm(url.split('?')[1] ?? '')
      WebhookSignatureValidator.validate({
        xSignature: headers['x-signature'], xRequestId: headers['x-request-id'], dataId: query['data.id'], secret,
      })
      return true
    },
    sign: ({ secret, headers, url, at }) => {
      const id = parseForm(url.split('?')[1] ?? '')['data.id']
      const request = headers['x-request-id']
      const manifest = `id:${id};` + (request ? `request-id:${request};` : '') + `ts:${at};`
      return { headers: { 'X-Signature': `ts=${at},v1=${hmac(secret, 'hex', manifest)}` } }
    },
  },
  braintree: {
    // What it cannot read is genuine all the same.
    verify: async ({ secret, text }) => {
      const { bt_signature: signature, bt_payload: payload } = parseForm(text)
      if (typeof signature !== 'string' || typeof payload !== 'string') throw new Error('not one of each field')
      const { webhookNotification } = braintreeGateway(secret)
      try {
        await webhookNotification.parse(signature, payload)
      } catch (error) {
        if (error.type === 'invalidSignatureError') throw error
      }
      return true
    },
    sign: ({ secret, text }) => {
      const form = parseForm(text)
      form.bt_signature = `${braintreeKey}|` + createHmac('sha1', braintreeDigest(secret)).update(form.bt_payload).digest('hex')
      return { headers: {}, body: Buffer.from(formOf(form)) }
    },
  },
  'wechatpay-axios-plugin': {
    // Notifications are signed as responses are, for which it has a verifier.
    verify: ({ secret, text, headers }) => {
      const keys = { [wechatpayKey]: Rsa.from(secret, Rsa.KEY_TYPE_PUBLIC) }
      return Decorator.responseVerifier(keys).call({}, text, headers) === text
    },
    sign: (request) => {
      const { secret, text } = request
      const [timestamp, nonce] = [String(seconds(request)), 'EcYVv2mTa4qyqHFt3wSgMd1y5MsfBqbO']
      return {
        headers: {
          'Wechatpay-Timestamp': timestamp,
          'Wechatpay-Nonce': nonce,
          'Wechatpay-Serial': wechatpayKey,
          'Wechatpay-Signature': Rsa.sign(Formatter.joinedByLineFeed(timestamp, nonce, text), secret),
        },
      }
    },
  },
  'alipay-sdk': {
    verify: ({ secret, text }) => alipay(secret).checkNotifySignV2(parseForm(text)),
    sign: ({ secret, text }) => {
      const { sign, sign_type, ...fields } = parseForm(text)
      const signed = Object.keys(fields).sort().map((name) => `${name}=${fields[name]}`).join('&')
      const made = createSign('RSA-SHA256').update(signed).sign(secret, 'base64')
      return { headers: {}, body: Buffer.from(formOf({ ...fields, sign_type, sign: made })) }
    },
  },
}
