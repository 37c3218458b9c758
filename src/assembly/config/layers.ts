/** Settings as they are written: a tree of maps, with anything else as leaves. */
export interface SettingsTree {
  readonly [key: string]: SettingsValue;
}
export type SettingsValue = string | number | boolean | null | readonly SettingsValue[] | SettingsTree;

/** Settings from one place. Later layers win. */
export interface Layer {
  /** For the user: `preset fr3`, `robot.yaml`, `--forecaster`. */
  readonly origin: string;
  readonly values: SettingsTree;
}

export interface MergedSettings {
  readonly values: SettingsTree;
  /** Which layer each leaf comes from, by its dotted path. */
  readonly origins: ReadonlyMap<string, string>;
}

/** Who is chosen in a section decides what its options mean: another choice drops the options of the one before. */
const CHOICES: Readonly<Record<string, string>> = {
  grounding: 'grounder',
  forecasting: 'forecaster',
  planning: 'planner',
};

/** One tree of all layers. Maps are merged key by key, lists and values are replaced as a whole. */
export function mergeLayers(layers: readonly Layer[]): MergedSettings {
  const origins = new Map<string, string>();
  let values: SettingsTree = {};
  for (const { origin, values: added } of layers) {
    const replaced = (path: string): void => {
      forget(origins, path);
    };
    const took = (path: string): void => {
      replaced(path);
      origins.set(path, origin);
    };
    values = mergeTrees(withoutOldOptions(values, added, origins), added, [], took, replaced);
  }
  return { values, origins };
}

export function isTree(value: SettingsValue | undefined): value is SettingsTree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A tree with one leaf. */
export function treeOf(path: readonly string[], value: SettingsValue): SettingsTree {
  return path.reduceRight<SettingsValue>((inner, key) => ({ [key]: inner }), value) as SettingsTree;
}

function mergeTrees(
  base: SettingsTree,
  added: SettingsTree,
  path: readonly string[],
  took: (path: string) => void,
  replaced: (path: string) => void,
): SettingsTree {
  const merged: Record<string, SettingsValue> = { ...base };
  for (const [key, value] of Object.entries(added)) {
    const at = [...path, key];
    if (isTree(value) && Object.keys(value).length > 0) {
      const old = Object.hasOwn(base, key) ? base[key] : undefined;
      if (old !== undefined && !isTree(old)) replaced(at.join('.'));
      define(merged, key, mergeTrees(isTree(old) ? old : {}, value, at, took, replaced));
    } else {
      define(merged, key, value);
      took(at.join('.'));
    }
  }
  return merged;
}

/** Also for a key such as `__proto__`, which a strange file may hold and which the schema then refuses. */
function define(tree: Record<string, SettingsValue>, key: string, value: SettingsValue): void {
  Object.defineProperty(tree, key, { value, enumerable: true, writable: true, configurable: true });
}

function withoutOldOptions(values: SettingsTree, added: SettingsTree, origins: Map<string, string>): SettingsTree {
  const kept: Record<string, SettingsValue> = { ...values };
  for (const [section, choice] of Object.entries(CHOICES)) {
    const [old, change] = [values[section], added[section]];
    if (!isTree(old) || !isTree(change) || change[choice] === undefined || change[choice] === old[choice]) continue;
    const { options: dropped, ...rest } = old;
    if (dropped === undefined) continue;
    kept[section] = rest;
    forget(origins, `${section}.options`);
  }
  return kept;
}

function forget(origins: Map<string, string>, path: string): void {
  for (const known of origins.keys()) if (known === path || known.startsWith(`${path}.`)) origins.delete(known);
}
