import { describe, expect, it } from '@jest/globals';
import { parseLayers } from '../../src/assembly/config/load-config.js';
import { treeOf } from '../../src/assembly/config/layers.js';
import { configParameters, parameterLayer } from '../../src/assembly/config/parameters.js';

const { config } = parseLayers([]);
const byName = new Map(configParameters(config).map((one) => [one.name, one]));

describe('settings as ROS parameters', () => {
  it('have the type, the range and the words of their setting', () => {
    expect(byName.get('execution.dry_run')).toMatchObject({ kind: 'boolean', value: true, isLive: true });
    expect(byName.get('execution.latency_s')).toMatchObject({ kind: 'double', value: 0.1, range: { from: 0 } });
    expect(byName.get('grounding.points')).toMatchObject({ kind: 'integer', range: { from: 0, to: 1000 } });
    expect(byName.get('execution.moving_modes')).toMatchObject({ kind: 'string_array', value: ['move', 'active'] });
    expect(byName.get('execution.latency_s')!.description).toContain('[s]');
    expect(byName.get('execution.mode')!.constraints).toBe('one of asynchronous, synchronous');
  });

  it('are a text where a setting takes several types, and never null', () => {
    expect(byName.get('forecasting.period_s')).toMatchObject({ kind: 'string', value: 'auto' });
    expect(byName.get('execution.gate_m')).toMatchObject({ kind: 'string', value: 'null' });
    expect(byName.get('instruction.text')).toMatchObject({ kind: 'string', value: '' });
    expect([...byName.values()].map(({ value }) => value as unknown)).not.toContain(null);
  });

  it('give the configuration back that they were made of', () => {
    const cameras = {
      front: { role: ['forecast', 'exo'], color: '/front/color', depth: null },
      wrist: { color: '/w/color' },
    };
    const given = parseLayers([
      { origin: 'test', values: { ...treeOf(['cameras'], cameras), ...treeOf(['execution', 'gate_m'], 0.05) } },
    ]).config;
    const again = parseLayers(configParameters(given).map(({ name, value }) => parameterLayer(name, value)));
    expect(again.config).toEqual(given);
  });

  it.each([
    ['forecasting.period_s', 0.5, 0.5],
    ['forecasting.period_s', '0.5', 0.5],
    ['forecasting.period_s', 'auto', 'auto'],
  ])('read %s = %p as %p', (name, value, expected) => {
    expect(parseLayers([parameterLayer(name, value)]).config.forecasting.period_s).toBe(expected);
  });

  it('take a text as it stands where the setting is a text', () => {
    expect(parseLayers([parameterLayer('instruction.text', 'null: 5')]).config.instruction.text).toBe('null: 5');
    expect(parseLayers([parameterLayer('instruction.text', '')]).config.instruction.text).toBeNull();
  });

  it('name the parameter that is no setting or has a value that is not allowed', () => {
    expect(() => parseLayers([parameterLayer('execution.dri_run', true)])).toThrow(
      'execution.dri_run (parameter execution.dri_run) is no setting; the nearest is execution.dry_run',
    );
    expect(() => parseLayers([parameterLayer('execution.latency_s', -1)])).toThrow(
      '(parameter execution.latency_s) is -1',
    );
    expect(() => parameterLayer('execution.gate_m', '{')).toThrow('which is no YAML');
  });
});
