/** What the element says of a status: a title, and a sentence that tells the customer what to do. */
export interface Texts {
  [status: string]: readonly [title: string, sentence: string]
}

/** What is said beside the statuses: while nothing is known, while the connection is away, on the two links. */
export interface Words {
  connecting: readonly [title: string, sentence: string]
  trouble: readonly [title: string, sentence: string]
  stale: string
  action: string
  retry: string
}

/** What is said of a status that this version does not know. */
export const unknown = 'pending'

/** Every text, by language. */
export const languages: Record<string, { texts: Texts; words: Words }> = {
  en: {
    texts: {
      created: ['Waiting for your payment', 'This page changes by itself as soon as you have paid.'],
      pending: ['Payment under way', 'Please wait a moment.'],
      requires_action: ['Please confirm the payment', 'Your bank or wallet wants to know that it is you.'],
      authorized: ['Payment confirmed', 'The amount is reserved.'],
      partially_paid: ['Partly paid', 'A part of the amount has arrived. The rest is still open.'],
      paid: ['Paid', 'Thank you. Your payment has arrived.'],
      failed: ['Payment failed', 'Nothing was taken. You can try again.'],
      canceled: ['Order canceled', 'Nothing more will be taken.'],
      expired: ['Time is up', 'The order was not paid in time.'],
      partially_refunded: ['Partly refunded', 'A part of the amount is on its way back to you.'],
      refunded: ['Refunded', 'The amount is on its way back to you.'],
      review: ['Payment is being checked', 'Something does not fit. We look at it and get back to you.'],
    },
    words: {
      connecting: ['One moment', 'Asking for the state of your payment.'],
      trouble: ['The state cannot be shown', 'Please reload the page. What you have paid is not lost.'],
      stale: 'No connection. This may be out of date.',
      action: 'Continue',
      retry: 'Try again',
    },
  },
  'zh-CN': {
    texts: {
      created: ['等待付款', '付款成功后，本页面会自动更新。'],
      pending: ['付款处理中', '请稍候。'],
      requires_action: ['请确认付款', '您的银行或钱包需要验证您的身份。'],
      authorized: ['付款已确认', '款项已预授权。'],
      partially_paid: ['已部分付款', '已收到部分款项，余款待付。'],
      paid: ['付款成功', '谢谢，我们已收到您的付款。'],
      failed: ['付款失败', '未扣款，您可以重试。'],
      canceled: ['订单已取消', '不会再扣款。'],
      expired: ['订单已过期', '订单未在规定时间内付款。'],
      partially_refunded: ['已部分退款', '部分款项正在退回。'],
      refunded: ['已退款', '款项正在退回。'],
      review: ['付款核查中', '付款信息不符，我们会核实并与您联系。'],
    },
    words: {
      connecting: ['请稍候', '正在查询付款状态。'],
      trouble: ['无法显示付款状态', '请刷新页面。您已支付的款项不会丢失。'],
      stale: '网络已断开，显示的状态可能不是最新的。',
      action: '继续',
      retry: '重试',
    },
  },
}

/** Chooses the language for a BCP 47 tag: any Chinese is zh-CN, everything else that is not there is English. */
export function languageFor(tag: string): string {
  return /^zh\b/i.test(tag) ? 'zh-CN' : 'en'
}
