import type { Layer, SettingsTree } from '../assembly/config/layers.js';
import type { LoadedConfig } from '../assembly/config/load-config.js';
import { DEFAULT_TOPICS, SERVICE_ROLES, type TopicRole } from '../node/topics.js';

/** How a node on a graph resolves a name: namespace and remappings. */
export interface NameResolver {
  topic(name: string): string;
  service(name: string): string;
}

/** The defaults that lie below the node itself. */
const OWN_PREFIX = '/molmo_motion/';
/** Names that every ROS system has at its root; whoever keeps several robots apart remaps them. */
const GLOBAL: readonly string[] = [DEFAULT_TOPICS.tf, DEFAULT_TOPICS.tf_static, DEFAULT_TOPICS.diagnostics];

/**
 * The names of topics and services as they are on the graph. What nobody configured follows the node into its namespace; what was configured is meant
 * as it stands; and remappings hold for all of them.
 */
export function graphNames({ config: { topics, cameras }, origins }: LoadedConfig, resolver: NameResolver): Layer {
  const roles = Object.entries(topics) as readonly (readonly [TopicRole, string])[];
  const named = roles.map(([role, name]): readonly [TopicRole, string] => {
    const meant = origins.has(`topics.${role}`) ? name : relative(name);
    return [role, SERVICE_ROLES.includes(role) ? resolver.service(meant) : resolver.topic(meant)];
  });
  return {
    origin: 'the names of the node',
    values: {
      topics: Object.fromEntries(named),
      ...(cameras !== 'auto' && {
        cameras: Object.fromEntries(
          Object.entries(cameras).flatMap(([camera, section]) =>
            section === null ? [] : [[camera, withGraphNames(section, resolver)]],
          ),
        ),
      }),
    },
  };
}

function relative(name: string): string {
  if (GLOBAL.includes(name)) return name;
  return name.startsWith(OWN_PREFIX) ? `~/${name.slice(OWN_PREFIX.length)}` : name.slice(1);
}

function withGraphNames(section: object, resolver: NameResolver): SettingsTree {
  return Object.fromEntries(
    Object.entries(section)
      .filter(([key]) => ['color', 'depth', 'info'].includes(key))
      .flatMap(([key, name]: [string, unknown]) =>
        typeof name === 'string' && name.startsWith('/') ? [[key, resolver.topic(name)]] : [],
      ),
  );
}
