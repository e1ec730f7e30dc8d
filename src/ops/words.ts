/** Owns how times and lists are said in sentences for people. No behaviour beyond that. */

/** Says a time span in the unit a person would choose. */
export function span(seconds: number): string {
  if (seconds < 120) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** Writes a moment as ISO 8601, in UTC. */
export function moment(atMs: number): string {
  return new Date(atMs).toISOString();
}

/** Ends a text with a full stop if it has no end of its own. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  return trimmed === '' || /[.!?]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}
