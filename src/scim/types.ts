/** Owns the plain JSON shapes that the SCIM protocol code speaks (RFC 7643, RFC 7644). No behaviour. */

export type Json = string | number | boolean | null | Json[] | JsonObject;
export interface JsonObject {
  [key: string]: Json;
}

/**
 * What the provisioning client has said of one person: every attribute verbatim, canonical attribute names, without
 * `id`, `meta`, `schemas`, `groups` and `password`, and with `active` always a boolean.
 */
export interface UserAttributes extends JsonObject {
  userName: string;
  active: boolean;
}

/**
 * What the provisioning client has said of one group: every attribute verbatim, canonical attribute names, without `id`, `meta`, `schemas`
 * and `members`.
 */
export interface GroupAttributes extends JsonObject {
  displayName: string;
}

export const CORE_USER = 'urn:ietf:params:scim:schemas:core:2.0:User';
export const ENTERPRISE_USER = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
export const CORE_GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group';
/** Our own: what is true at Maxio. Read-only, and returned only when it is asked for. */
export const BILLING_USER = 'urn:maxio-scim:params:scim:schemas:extension:billing:2.0:User';
