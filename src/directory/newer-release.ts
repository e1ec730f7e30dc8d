/**
 * Owns the one error that means: a newer release has written this, so this process neither tells of it nor changes it. Nothing was acknowledged, and the
 * client comes back: beside a newer process, or after an upgrade, it is served.
 */
import { SCHEMA_VERSION } from './record.ts';
import { DirectoryUnavailable } from './unavailable.ts';

/** What is wrong with this process, and what to do, for people on call. */
export function newerReleaseAt(site: string, schema: number): string {
  return `A newer release has written to ${site} (schema version ${schema}, this process knows ${SCHEMA_VERSION}): whom it has written to is neither served nor acted on here. Run the newer release here, or restore the backup from before it.`;
}

/** Soon: in a rolling upgrade the next replica asked may be a newer one. */
const RETRY_SECONDS = 10;

export class NewerRelease extends DirectoryUnavailable {
  constructor(schema: number) {
    super(
      `a newer release has written this person's record (schema version ${schema}, this process knows ${SCHEMA_VERSION}): upgrade this process`,
      RETRY_SECONDS,
    );
    this.name = 'NewerRelease';
  }
}
