import { describe, expect, it } from '@jest/globals';
import { readdir, readFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { assemble } from '../../src/assembly/assemble.js';
import type { SettingsTree } from '../../src/assembly/config/layers.js';
import { parseLayers } from '../../src/assembly/config/load-config.js';
import { MemoryBus } from '../../src/bus/memory/memory-bus.js';
import { VirtualClock } from '../../src/bus/memory/virtual-clock.js';
import { recordingWorld } from '../../src/runs/recording-world.js';
import { KnowingNetwork, madeRecording, policyModels } from '../node/made-recording.js';

const SRC = path.resolve(import.meta.dirname, '../../src');

function assembleWith(bus: MemoryBus<VirtualClock>, values: SettingsTree): ReturnType<typeof assemble> {
  const { config } = parseLayers([{ origin: 'test', values }]);
  return assemble(
    config,
    recordingWorld(madeRecording(), bus, policyModels(new KnowingNetwork()), () => 0),
  );
}

describe('assemble', () => {
  it('opens whole: what it is asked to start and change, it says', async () => {
    const bus = new MemoryBus(new VirtualClock(1_000_000_000n));
    const assembly = await assembleWith(bus, { planning: { planner: '.' }, forecasting: { options: { steps: 5 } } });
    try {
      expect(assembly.cameras.map(({ camera }) => camera)).toEqual(['exo', 'wrist']);
      expect([assembly.forecastCamera, assembly.planner!.horizon, assembly.status!.phase]).toEqual(['exo', 16, 'idle']);
      expect(() => {
        assembly.start();
      }).toThrow(/the arm is not started: camera exo: nothing has come/);
      assembly.change('instruction.text', 'swing');
      expect(assembly.instruction).toBe('swing');
    } finally {
      await assembly.close({ keepRecording: false });
      await bus.close();
    }
  });

  it('or not at all: nothing stays subscribed, served or written', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'assemble-'));
    const bus = new MemoryBus(new VirtualClock(1_000_000_000n));
    try {
      // The gate needs a policy: this is found after execution has advertised its services.
      await expect(
        assembleWith(bus, { planning: { planner: 'rigid' }, execution: { gate_m: 0.1 } }),
      ).rejects.toMatchObject({ code: 'execution.gate' });
      await expect(bus.call('/molmo_motion/start', 'std_srvs/srv/Trigger', {})).rejects.toThrow(/molmo_motion\/start/);
      // A recording that cannot be written is found last of all.
      await expect(
        assembleWith(bus, { recording: { file: path.join(folder, 'no-folder', 'x.mcap') } }),
      ).rejects.toMatchObject({ code: expect.stringMatching(/^output/) });
      expect(await readdir(folder)).toEqual([]);
      // The same bus can be assembled on afterwards.
      const assembly = await assembleWith(bus, {});
      await assembly.close({ keepRecording: false });
    } finally {
      await bus.close();
      await rm(folder, { recursive: true });
    }
  });

  it.each([
    [{ forecasting: { camera: 'nose' } }, 'camera.unknown'],
    [{ cameras: { nose: { role: 'forecast' } } }, 'camera.unknown'],
    [{ cameras: { exo: { role: 'forecast' }, wrist: { role: 'forecast' } } }, 'camera.role'],
    [{ grounding: { grounder: 'mask' } }, 'grounder.mask'],
    [{ forecasting: { forecaster: 'truth' } }, 'forecaster.truth'],
    [{ forecasting: { options: { stepps: 3 } } }, 'config.options'],
  ] as const)('%j is refused', async (values, code) => {
    const bus = new MemoryBus(new VirtualClock(1_000_000_000n));
    await expect(assembleWith(bus, values)).rejects.toMatchObject({ code });
    await bus.close();
  });

  it('is the only place where stages are made', async () => {
    const files = (await readdir(SRC, { recursive: true })).filter((file) => file.endsWith('.ts'));
    const texts = await Promise.all(
      files.map(async (file) => ({ file, text: await readFile(path.join(SRC, file), 'utf8') })),
    );
    const madeIn = (stage: string): readonly string[] =>
      texts.flatMap(({ file, text }) => (text.includes(`new ${stage}(`) ? [file] : []));
    for (const stage of ['PlannerNode', 'ExecutionStage', 'AgreementMonitor', 'HeldObjectGrounder'])
      expect([stage, madeIn(stage)]).toEqual([stage, ['assembly/assemble.ts']]);
    for (const stage of ['RigidStage', 'PolicyStage', 'HybridStage'])
      expect([stage, madeIn(stage)]).toEqual([stage, ['assembly/planners.ts']]);
    // What `info` examines, it reads as the node would.
    expect(madeIn('SensorFeed')).toEqual(['runs/examination.ts', 'node/planner-node.ts']);
    for (const stage of ['ForecastScheduler', 'GroundingStage', 'ForecastPublisher'])
      expect([stage, madeIn(stage)]).toEqual([stage, ['node/planner-node.ts']]);
    for (const forecaster of ['StaticForecaster', 'ExtrapolateForecaster', 'StoredForecaster'])
      expect([forecaster, madeIn(forecaster)]).toEqual([forecaster, ['assembly/forecasters.ts']]);
  });
});
