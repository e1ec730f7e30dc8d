/**
 * Owns the JSON of a customer as the API shows it: every key always present, nulls included.
 * Refuses to read rows from anywhere. Answers to the customer object of developers.maxio.com and the extra keys seen in live tests.
 */
import { formatMoment } from './clock.ts';
import { countryName, stateName } from './places.ts';
import type { CustomerRow } from './rows.ts';

/** Shows a customer as the customer endpoints do. */
export function customerJson(row: CustomerRow, offsetMinutes: number) {
  return {
    first_name: row.first_name,
    last_name: row.last_name,
    email: row.email,
    cc_emails: row.cc_emails,
    organization: row.organization,
    reference: row.reference,
    id: row.id,
    created_at: formatMoment(row.createdMs, offsetMinutes),
    updated_at: formatMoment(row.updatedMs, offsetMinutes),
    address: row.address,
    address_2: row.address_2,
    address_3: null,
    city: row.city,
    state: row.state,
    state_name: stateName(row.country, row.state),
    zip: row.zip,
    country: row.country,
    country_name: countryName(row.country),
    phone: row.phone,
    verified: row.verified,
    portal_customer_created_at: null,
    portal_invite_last_sent_at: null,
    portal_invite_last_accepted_at: null,
    tax_exempt: row.tax_exempt,
    vat_number: row.vat_number,
    parent_id: row.parent_id,
    locale: row.locale,
    default_subscription_group_uid: null,
    salesforce_id: row.salesforce_id,
    tax_exempt_reason: row.tax_exempt_reason,
    default_auto_renewal_profile_id: null,
    vat_country: null,
    vat_status: null,
    vat_validated_at: null,
    business_type: null,
    entity_identifier_kind: null,
    entity_identifier_value: null,
    maxioid: `cus_${row.id.toString(36)}`,
  };
}

export type CustomerJson = ReturnType<typeof customerJson>;

/** Shows a customer as it is embedded in a subscription, where the derived names are missing. */
export function embeddedCustomerJson(row: CustomerRow, offsetMinutes: number): Omit<CustomerJson, 'country_name' | 'state_name'> {
  const { country_name: _country, state_name: _state, ...shown } = customerJson(row, offsetMinutes);
  return shown;
}
