/**
 * Owns how a page of documentation is read by a test: its `sh` blocks in order, what each shows below it, and, in a runbook, where the rehearsal plays the
 * other side. Refuses to run anything.
 */

export interface Block {
  kind: 'block';
  commands: string;
  /** What the page shows below the commands; … stands for anything. */
  shown: string[];
}

/** A place at which a rehearsal does what the heading of that name says. */
export interface Cue {
  kind: 'cue';
  anchor: string;
}

export interface Runbook {
  title: string;
  text: string;
  /** What is done before the page is read. */
  before: Block[];
  flow: (Block | Cue)[];
  /** By anchor. */
  scenes: Record<string, Block[]>;
}

const REHEARSE = '\n## Rehearse\n';

/** Reads a runbook. Throws where it has no section that tells how to rehearse it. */
export function readRunbook(text: string): Runbook {
  const at = text.indexOf(REHEARSE);
  if (at < 0) throw new Error('the page has no section "## Rehearse"');
  const [before = '', ...scenes] = text.slice(at + REHEARSE.length).split(/^### /m);
  return {
    title: /^# (.*)$/m.exec(text)?.[1] ?? '',
    text,
    before: blocksOf(before),
    flow: itemsOf(text.slice(0, at)),
    scenes: Object.fromEntries(scenes.map((scene) => [anchorOf(scene.slice(0, scene.indexOf('\n'))), blocksOf(scene)])),
  };
}

/** A line of a page as a pattern: … is anything, and columns may be wider. */
export function patternOf(line: string): RegExp {
  const words = line.trim().split(/\s+/);
  return new RegExp(words.map((word) => RegExp.escape(word).replaceAll('…', '.*')).join('\\s*'));
}

function blocksOf(text: string): Block[] {
  return itemsOf(text).filter((item) => item.kind === 'block');
}

function itemsOf(text: string): (Block | Cue)[] {
  const items = text.matchAll(
    /^```sh\n(?<commands>.*?)^```$(?:\n\n^```text\n(?<shown>.*?)^```$)?|^\*In a rehearsal: \[[^\]]+\]\(#(?<anchor>[^)]+)\)\.\*$/gms,
  );
  return [...items].map(({ groups = {} }) => {
    const { commands, shown = '', anchor } = groups;
    if (anchor !== undefined) return { kind: 'cue', anchor };
    return {
      kind: 'block',
      commands: commands ?? '',
      shown: shown.split('\n').filter((line) => line.replaceAll('…', '').trim() !== ''),
    };
  });
}

/** What a link to a heading ends with. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w -]/g, '')
    .replaceAll(' ', '-');
}
