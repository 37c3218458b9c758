import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse } from 'yaml';
import { checkConfig } from '../../src/assembly/check-config.js';
import { presetNames, presetPurpose } from '../../src/assembly/config/config-files.js';
import { loadConfig, parseLayers, parseRemap } from '../../src/assembly/config/load-config.js';
import { renderConfig } from '../../src/assembly/config/render-config.js';
import { settings } from '../../src/assembly/config/schema-tree.js';
import { PlannerError } from '../../src/core/errors.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'config-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function file(name: string, text: string): Promise<string> {
  const at = path.join(folder, name);
  await writeFile(at, text);
  return at;
}

async function refusal(set: readonly string[]): Promise<string> {
  const error: unknown = await loadConfig({ set }).catch((caught: unknown) => caught);
  if (!(error instanceof PlannerError)) throw new Error('it was not refused');
  return error.message;
}

describe('where a setting comes from', () => {
  it('later sources win over earlier ones, and each value knows its own', async () => {
    const base = await file('base.yaml', 'extends: panda\nexecution: { mode: synchronous, latency_s: 0.2 }\n');
    const robot = await file('robot.yaml', `extends: [${base}, realsense]\nexecution: { latency_s: 0.3 }\n`);
    const { config, origins } = await loadConfig({
      preset: 'replay',
      file: robot,
      set: ['execution.blend_steps=3', 'execution.gate_m=0.2'],
      flags: [{ origin: '--gate', values: { execution: { gate_m: 0.1 } } }],
      remaps: [parseRemap('/joint_states:=/robot/joints')],
    });
    expect(config.arm.model).toBe('panda');
    expect(config.execution).toMatchObject({
      mode: 'synchronous',
      latency_s: 0.3,
      blend_steps: 3,
      gate_m: 0.1,
      dry_run: false,
    });
    expect(config.topics.joints).toBe('/robot/joints');
    expect(Object.fromEntries(origins)).toMatchObject({
      'arm.model': 'preset panda',
      'execution.mode': 'base.yaml',
      'execution.latency_s': 'robot.yaml',
      'execution.blend_steps': '--set execution.blend_steps',
      'execution.gate_m': '--gate',
      'execution.dry_run': 'preset replay',
      'topics.joints': '--remap /joint_states:=/robot/joints',
      'cameras.camera.color': 'preset realsense',
    });
    expect(origins.has('execution.limits.max_delta_rad')).toBe(false);
  });

  it('options belong to the choice that they were given for', () => {
    const { config } = parseLayers([
      { origin: 'file', values: { forecasting: { forecaster: 'static', options: { steps: 5 } } } },
      { origin: '--forecaster', values: { forecasting: { forecaster: 'truth' } } },
    ]);
    expect(config.forecasting).toMatchObject({ forecaster: 'truth', options: {} });
  });

  it('extends that never end, and presets that are not there, are refused by name', async () => {
    const a = path.join(folder, 'a.yaml');
    await file('a.yaml', 'extends: ./b.yaml');
    await file('b.yaml', 'extends: ./a.yaml');
    await expect(loadConfig({ file: a })).rejects.toMatchObject({
      code: 'config.extends',
      message: 'a.yaml extends b.yaml extends a.yaml: this never ends',
    });
    await expect(loadConfig({ file: await file('c.yaml', 'extends: fr4') })).rejects.toMatchObject({
      code: 'config.preset',
      message: expect.stringMatching(/there is no preset "fr4" \(there are: .*fr3.*\)/),
    });
    await expect(loadConfig({ file: await file('d.yaml', '- a list') })).rejects.toMatchObject({ code: 'config.file' });
    await expect(loadConfig({ file: path.join(folder, 'absent.yaml') })).rejects.toMatchObject({ code: 'config.file' });
  });
});

describe('what is wrong', () => {
  it.each([
    [
      ['execution.mod=synchronous'],
      /execution\.mod \(--set execution\.mod\) is no setting; the nearest is execution\.mode/,
    ],
    [['forecaster=static'], /forecaster .* is no setting; the nearest is forecasting\.forecaster/],
    [['cameras.front.colour=/x'], /the nearest is cameras\.front\.color/],
    [['execution.latency_s=-1'], /execution\.latency_s \(--set .*\) is -1: allowed is a number of 0 or more/],
    [['execution.mode=fast'], /is "fast": allowed is one of asynchronous, synchronous/],
    [['topics.joints=joints'], /topics\.joints .* is "joints": allowed is an absolute ROS name/],
    [['topics.command=/joint_states'], /joints has the same name/],
    [['execution=7'], /execution .* is 7: allowed is a map/],
    [['grounding.points=5000'], /is 5000: allowed is a whole number above 0 up to 1000/],
    [['cameras.front=3'], /cameras\.front .* is 3/],
    [['__proto__.polluted=1'], /__proto__/],
  ])('%j is refused with path, value and what is allowed', async (set, message) => {
    expect(await refusal(set)).toMatch(message);
  });

  it('every mistake of a file is told at once', async () => {
    expect(await refusal(['arm.modell=fr3', 'execution.latency_s=x'])).toMatch(
      /arm\.modell.*execution\.latency_s|execution\.latency_s.*arm\.modell/,
    );
  });

  it('a remapping of what is not there names what is', async () => {
    await expect(loadConfig({ remaps: [parseRemap('/joints:=/robot/joints')] })).rejects.toMatchObject({
      code: 'config.remap',
      message: expect.stringMatching(/nothing is called \/joints here \(names are: .*\/joint_states/),
    });
    expect(() => parseRemap('/a:/b')).toThrow(/is no remapping/);
  });
});

describe('the presets', () => {
  it('are all there, say what they are for, and can be used', async () => {
    const names = await presetNames();
    expect(names).toEqual(
      expect.arrayContaining(['simulator', 'molmospaces', 'droid', 'fr3', 'panda', 'realsense', 'zed', 'replay']),
    );
    for (const preset of names) {
      const { config } = await loadConfig({ preset });
      await checkConfig(config);
      expect([preset, (await presetPurpose(preset)).length > 20]).toEqual([preset, true]);
      // Nothing that is meant for a robot moves one by itself.
      if (!['simulator', 'nano', 'replay'].includes(preset))
        expect([preset, config.execution.dry_run]).toEqual([preset, true]);
    }
  });
});

describe('a printed configuration', () => {
  it('is a configuration file again, the same', async () => {
    const loaded = await loadConfig({
      set: [
        'arm.model=panda',
        'cameras.front.color=/front/rgb',
        'grounding.clicks=[{ pixel: [3, 4] }]',
        'cameras.left=null',
      ],
    });
    const whole = await file('whole.yaml', renderConfig(loaded, false));
    const changes = await file('changes.yaml', renderConfig(loaded, true));
    expect((await loadConfig({ file: whole })).config).toEqual(loaded.config);
    expect((await loadConfig({ file: changes })).config).toEqual(loaded.config);
    expect(Object.keys(parse(await readFile(changes, 'utf8')) as object)).toEqual(['arm', 'cameras', 'grounding']);
    expect(await readFile(changes, 'utf8')).toContain('model: panda # --set arm.model');
  });

  it('every setting says what it does and why its default is what it is', () => {
    for (const { path: at, schema } of settings())
      expect([at, Boolean(schema.description), Boolean(schema.why), schema.default !== undefined]).toEqual([
        at,
        true,
        true,
        true,
      ]);
  });
});
