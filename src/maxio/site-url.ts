/**
 * Owns which host the API key may be sent to: a subdomain of one of Maxio's two domains, or a sandbox on this machine.
 * Refuses every other address, so that no configuration can turn the client against a third party (OWASP API7, SSRF).
 * Source: Maxio's regions, US `chargify.com`, EU `ebilling.maxio.com`.
 */

const DOMAIN = { us: 'chargify.com', eu: 'ebilling.maxio.com' } as const;
const SUBDOMAIN = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/**
 * Builds the origin of a site.
 * @throws TypeError when the subdomain is not one DNS label in lower case, or the base URL is not a bare loopback origin
 */
export function siteOrigin(site: { region: 'us' | 'eu'; subdomain: string; baseUrl?: string | undefined }): string {
  if (!SUBDOMAIN.test(site.subdomain)) throw new TypeError('Maxio: the subdomain must be one DNS label in lower case');
  if (site.baseUrl === undefined) {
    if (!Object.hasOwn(DOMAIN, site.region)) throw new TypeError('Maxio: the region must be us or eu');
    return `https://${site.subdomain}.${DOMAIN[site.region]}`;
  }
  const url = URL.parse(site.baseUrl);
  const bare = url !== null && url.username === '' && url.password === '' && url.pathname === '/' && !url.search && !url.hash;
  if (!bare || !/^https?:$/.test(url.protocol) || !LOOPBACK.test(url.hostname)) {
    throw new TypeError(
      'Maxio: the base URL may only be http or https on this machine (localhost, 127.0.0.1, [::1]), without a path',
    );
  }
  return url.origin;
}
