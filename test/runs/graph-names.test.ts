import { describe, expect, it } from '@jest/globals';
import { parseLayers } from '../../src/assembly/config/load-config.js';
import { graphNames } from '../../src/runs/graph-names.js';

/** A node `/left/molmo_motion` that was started with one remapping, resolving names as rcl does. */
const resolve = (name: string): string => {
  const full = name.startsWith('~/')
    ? `/left/molmo_motion/${name.slice(2)}`
    : name.startsWith('/')
      ? name
      : `/left/${name}`;
  return full === '/tf' ? '/left/tf' : full;
};
const resolver = { topic: resolve, service: resolve };

function namesOf(
  values: Parameters<typeof parseLayers>[0][number]['values'],
): ReturnType<typeof parseLayers>['config'] {
  const layers = [{ origin: 'robot.yaml', values }];
  return parseLayers([...layers, graphNames(parseLayers(layers), resolver)]).config;
}

describe('names on the graph', () => {
  it('follow the node into its namespace where nobody configured them', () => {
    const { topics } = namesOf({});
    expect(topics).toMatchObject({
      start: '/left/molmo_motion/start',
      forecast: '/left/molmo_motion/forecast',
      joints: '/left/joint_states',
      instruction: '/left/instruction',
    });
  });

  it('stand as they were configured', () => {
    const command = '/fr3_arm_controller/joint_trajectory';
    expect(namesOf({ topics: { command } }).topics.command).toBe(command);
  });

  it('are remapped, also those of cameras and those of the whole system', () => {
    const { topics, cameras } = namesOf({ cameras: { front: { color: '/tf', depth: null } } });
    expect(topics).toMatchObject({ tf: '/left/tf', tf_static: '/tf_static', diagnostics: '/diagnostics' });
    expect(cameras).toMatchObject({ front: { color: '/left/tf', depth: null } });
  });
});
