/** Owns the list of all routes of the ops API, in the order of its document. No behaviour. */
import { auditRoutes } from './audit-routes.ts';
import { careRoutes } from './care-routes.ts';
import { clientRoutes } from './client-routes.ts';
import { configurationRoutes } from './configuration-routes.ts';
import { driftRoutes } from './drift-routes.ts';
import { erasureRoutes } from './erasure-routes.ts';
import { groupPlansRoutes } from './group-plans-routes.ts';
import { heldRoutes } from './held-routes.ts';
import { linksRoutes } from './links-routes.ts';
import { modeRoutes } from './mode-routes.ts';
import { parkedRoutes } from './parked-routes.ts';
import { peopleRoutes } from './people-routes.ts';
import { recoveryRoutes } from './recovery-routes.ts';
import type { ApiRoute } from './route.ts';
import { statusRoutes } from './status-routes.ts';
import { tokenRoutes } from './token-routes.ts';

export const ROUTES: readonly ApiRoute[] = [
  ...statusRoutes,
  ...peopleRoutes,
  ...parkedRoutes,
  ...modeRoutes,
  ...linksRoutes,
  ...driftRoutes,
  ...heldRoutes,
  ...configurationRoutes,
  ...groupPlansRoutes,
  ...recoveryRoutes,
  ...tokenRoutes,
  ...clientRoutes,
  ...auditRoutes,
  ...erasureRoutes,
  ...careRoutes,
];
