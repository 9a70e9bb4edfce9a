/** Lets the browser resolve the gateway's name and open a connection while the customer still fills
 *  in the form. The same as `<link rel="preconnect" href="https://pay.example.com" crossorigin>` in the
 *  page. Where there is no page, it does nothing. */
export function preconnect(url: string): void {
  const { document } = globalThis
  if (!document) return
  const link = document.createElement('link')
  link.rel = 'preconnect'
  link.href = new URL(url, document.baseURI).origin
  link.crossOrigin = 'anonymous'
  document.head.append(link)
}
