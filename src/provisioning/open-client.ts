/** Owns how the client of a site is opened: its deadline from the configuration, and each call measured. No behaviour of its own. */
import type { SiteConfig } from '../config.ts';
import { MaxioClient } from '../maxio/client.ts';
import type { Telemetry } from '../telemetry.ts';

export function openClient(site: SiteConfig, telemetry: Telemetry): MaxioClient {
  return new MaxioClient(site, {
    deadlineMs: site.callDeadlineSeconds * 1_000,
    onCall: ({ method, template, status, kind, tookMs }) =>
      telemetry.callSeconds.observe(
        {
          http_request_method: method,
          url_template: template,
          http_response_status_code: status ?? '',
          error_type: kind ?? '',
          site: site.key,
        },
        tookMs / 1_000,
      ),
  });
}
