/** Owns the shape of one finding of the doctor, and three ways to write it. Refuses to know what is examined. */

export interface DoctorCheck {
  /** What was looked at; of a site with its key in front, such as `us.acme product`. */
  name: string;
  /** `warn`: it works, and somebody should know. `fail`: it does not work, or will bill wrongly. */
  status: 'pass' | 'warn' | 'fail';
  /** One sentence. */
  finding: string;
  /** What to do; empty when there is nothing to do. */
  cure: string;
}

export function pass(name: string, finding: string): DoctorCheck {
  return { name, status: 'pass', finding, cure: '' };
}

export function warn(name: string, finding: string, cure: string): DoctorCheck {
  return { name, status: 'warn', finding, cure };
}

export function fail(name: string, finding: string, cure: string): DoctorCheck {
  return { name, status: 'fail', finding, cure };
}
