import { z } from 'zod';
import { cameraSchema } from './sections/world.js';
import { allowed, settings, type SchemaNode } from './schema-tree.js';

/** One of the words that a setting such as `forecasting.forecaster` takes, as the page lists it. */
export interface DocumentedWord {
  readonly name: string;
  readonly argument: string | null;
  readonly summary: string;
  readonly options: z.ZodObject;
}

export interface DocumentedRegistry {
  readonly kind: string;
  readonly entries: readonly DocumentedWord[];
  readonly bundle: DocumentedWord | null;
}

const INTRODUCTION = `# Configuration

Made by \`npm run docs:configuration\` from the schema; a test fails when it is stale.

Everything that a running system is told is one YAML document. What is not said in it has the default below. Values come from, the later over the earlier: the defaults, the preset of
the world (\`replay\`, \`simulator\`), what a file extends, the file (\`--config\`), \`--set PATH=VALUE\`, the options of a command, \`--remap FROM:=TO\`. The ROS parameters of the node have the same
paths. \`molmo-motion config\` prints what holds and where each value comes from, and checks it without running; \`--diff\` leaves the defaults out.

A file may begin with \`extends:\` and the name of a preset, a file, or a list of both:

\`\`\`yaml
extends: [fr3, realsense]
forecasting:
  forecaster: models/molmo-motion-4b
execution:
  dry_run: true
\`\`\`

An unknown key is refused with its path and the nearest known one, a wrong value with what is allowed. Lists are replaced as a whole, maps are merged key by key. Who is chosen in a
section decides what its \`options\` mean: another choice drops the options that an earlier layer gave.
`;

/** docs/configuration.md. @param presets names of the presets that come with the software, with what their first comment says. */
export function configurationPage(
  registries: readonly DocumentedRegistry[],
  presets: readonly { readonly name: string; readonly purpose: string }[],
): string {
  const all = settings();
  const names = [...new Set(all.map(({ path }) => path.split('.')[0]!))];
  const sections = names.map((section) =>
    [
      `## ${section}`,
      table(
        ['path', 'value', 'unit', 'default', 'meaning', 'why this default', 'live'],
        all
          .filter(({ path }) => path.split('.')[0] === section)
          .map(({ path, schema }) => [
            `\`${path}\``,
            allowed(schema),
            schema.unit ?? '',
            `\`${JSON.stringify(schema.default)}\``,
            schema.description!,
            schema.why!,
            schema.live ? 'yes' : '',
          ]),
      ),
      ...(section === 'cameras' ? [cameraKeys()] : []),
    ].join('\n\n'),
  );
  return [
    INTRODUCTION,
    '## Presets',
    table(
      ['preset', 'for'],
      presets.map(({ name, purpose }) => [`\`${name}\``, purpose]),
    ),
    'In the tables, *live* settings may change while the system runs.',
    ...sections,
    ...registries.map(registrySection),
    '',
  ].join('\n\n');
}

function cameraKeys(): string {
  const { properties = {} } = z.toJSONSchema(cameraSchema, { io: 'input', unrepresentable: 'any' }) as SchemaNode;
  return [
    'Of each camera:',
    table(
      ['key', 'value', 'default', 'meaning'],
      Object.entries(properties).map(([key, node]) => [
        `\`cameras.NAME.${key}\``,
        allowed(node),
        node.default === undefined ? '' : `\`${JSON.stringify(node.default)}\``,
        node.description!,
      ]),
    ),
  ].join('\n\n');
}

function registrySection({ kind, entries, bundle }: DocumentedRegistry): string {
  const words = [...entries, ...(bundle ? [bundle] : [])];
  return [
    `## Words for the ${kind}`,
    table(
      ['word', 'what', 'options'],
      words.map((word) => [
        word === bundle
          ? 'the folder of a bundle'
          : `\`${word.name}${word.argument === null ? '' : `:${word.argument}`}\``,
        word.summary,
        optionsOf(word) || 'none',
      ]),
    ),
  ].join('\n\n');
}

function optionsOf({ options }: DocumentedWord): string {
  const { properties = {} } = z.toJSONSchema(options, { io: 'input' }) as SchemaNode;
  return Object.entries(properties)
    .map(
      ([key, node]) =>
        `\`${key}\`: ${allowed(node)}; ${node.description ?? ''} (default \`${JSON.stringify(node.default)}\`)`,
    )
    .join('; ');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
