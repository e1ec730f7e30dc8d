/**
 * Owns the names behind the codes: `country_name` and `state_name`, which Maxio derives and a client cannot write.
 * Refuses to validate: an unknown code simply has no name. Answers to ISO 3166-1 alpha-2 and, for the United States, ISO 3166-2.
 */

const countries = new Intl.DisplayNames('en', { type: 'region', fallback: 'none' });

const US_STATES = new Map(
  (
    'AL Alabama|AK Alaska|AZ Arizona|AR Arkansas|CA California|CO Colorado|CT Connecticut|DE Delaware|DC District of Columbia|' +
    'FL Florida|GA Georgia|HI Hawaii|ID Idaho|IL Illinois|IN Indiana|IA Iowa|KS Kansas|KY Kentucky|LA Louisiana|ME Maine|' +
    'MD Maryland|MA Massachusetts|MI Michigan|MN Minnesota|MS Mississippi|MO Missouri|MT Montana|NE Nebraska|NV Nevada|' +
    'NH New Hampshire|NJ New Jersey|NM New Mexico|NY New York|NC North Carolina|ND North Dakota|OH Ohio|OK Oklahoma|OR Oregon|' +
    'PA Pennsylvania|RI Rhode Island|SC South Carolina|SD South Dakota|TN Tennessee|TX Texas|UT Utah|VT Vermont|VA Virginia|' +
    'WA Washington|WV West Virginia|WI Wisconsin|WY Wyoming'
  )
    .split('|')
    .map((line): [string, string] => [line.slice(0, 2), line.slice(3)]),
);

/** Names a country by its two letters; null when there is no such country. */
export function countryName(code: string | null): string | null {
  return code !== null && /^[A-Za-z]{2}$/.test(code) ? (countries.of(code.toUpperCase()) ?? null) : null;
}

/** Names a state of the United States; other countries show the code they were given. */
export function stateName(country: string | null, state: string | null): string | null {
  return state !== null && country?.toUpperCase() === 'US' ? (US_STATES.get(state.toUpperCase()) ?? state) : state;
}
