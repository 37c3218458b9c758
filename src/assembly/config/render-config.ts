import { Document, isMap, isScalar, isSeq } from 'yaml';
import type { LoadedConfig } from './load-config.js';
import { settings } from './schema-tree.js';
import { isTree, treeOf, type SettingsTree, type SettingsValue } from './layers.js';
import { mergeLayers } from './layers.js';

/** A configuration as YAML that can be used as a configuration file again. What is no default says where it comes from. @param onlyChanges leaves the defaults out. */
export function renderConfig({ config, origins }: LoadedConfig, onlyChanges: boolean): string {
  const all = config as unknown as SettingsTree;
  const values = onlyChanges ? only(all, [...origins.keys()]) : all;
  const document = new Document(values, { aliasDuplicateObjects: false });
  for (const [path, origin] of origins) comment(document, path.split('.'), origin);
  const text = document.toString({ lineWidth: 0, flowCollectionPadding: true });
  return onlyChanges && origins.size === 0 ? '# every setting has its default\n' : text;
}

/** A tree with these leaves alone, in the order of the schema. */
function only(values: SettingsTree, paths: readonly string[]): SettingsTree {
  const order = settings().map(({ path }) => path);
  const place = (path: string): number => order.findIndex((one) => path === one || path.startsWith(`${one}.`));
  const layers = [...paths]
    .sort((a, b) => place(a) - place(b))
    .map((path) => ({ origin: '', values: treeOf(path.split('.'), valueAt(values, path.split('.'))) }));
  return mergeLayers(layers).values;
}

function valueAt(values: SettingsValue, path: readonly string[]): SettingsValue {
  return path.reduce<SettingsValue>((value, key) => (isTree(value) ? (value[key] ?? null) : null), values);
}

function comment(document: Document, path: readonly string[], origin: string): void {
  const node = document.getIn(path, true);
  if (isScalar(node)) node.comment = ` ${origin}`;
  else if (isMap(node) || isSeq(node)) {
    // A comment behind a block collection would stand after its last line; on one line it stands behind it.
    node.flow = true;
    node.comment = ` ${origin}`;
  }
}
