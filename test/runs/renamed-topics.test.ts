import { describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadConfig } from '../../src/assembly/config/load-config.js';
import { modelsOf } from '../../src/assembly/model-source.js';
import { decodeCdr } from '../../src/bus/cdr.js';
import type { JointStateMessage } from '../../src/bus/messages.js';
import { openRecording } from '../../src/recordings/open-recording.js';
import type { RecordedMessage, Recording } from '../../src/recordings/recording.js';
import { replay, type ReplayOutcome } from '../../src/runs/replay.js';

const DEMO = path.resolve(import.meta.dirname, '../../demo-data/tabletop.mcap');

/** What another laboratory calls the topics of the demo recording. */
const NAMES: Readonly<Record<string, string>> = {
  '/joint_states': '/robot/joints',
  '/exo_camera_1/color/image_raw/compressed': '/front/rgb',
  '/exo_camera_1/color/camera_info': '/front/calibration',
  '/exo_camera_1/aligned_depth_to_color/image_raw/compressedDepth': '/front/depth_reg',
  '/molmo_motion/click': '/operator/click',
};

const TEN_LINES = `
arm:
  model: panda
  prefix: left_
topics:
  joints: /robot/joints
  click: /operator/click
cameras:
  front:
    role: forecast
    color: /front/rgb
    depth: /front/depth_reg
    info: /front/calibration
  wrist_camera: null
`;

function renamed(recording: Recording): Recording {
  const name = (topic: string): string => NAMES[topic] ?? topic;
  const change = ({ topic, type, content, ...times }: RecordedMessage): RecordedMessage => {
    if (type !== 'sensor_msgs/msg/JointState') return { topic: name(topic), type, content, ...times };
    const joints = (content instanceof Uint8Array ? decodeCdr(type, content) : content) as JointStateMessage;
    const names = joints.name.map((joint) => joint.replace('fr3_', 'left_panda_'));
    return { topic: name(topic), type, content: { ...joints, name: names }, ...times };
  };
  return {
    kind: recording.kind,
    path: recording.path,
    timeRange: recording.timeRange,
    instruction: recording.instruction,
    tracks: recording.tracks,
    commands: recording.commands,
    topics: recording.topics.map((topic) => ({ ...topic, topic: name(topic.topic) })),
    problems: recording.problems,
    async *messages() {
      for await (const message of recording.messages()) yield change(message);
    },
    close: () => recording.close(),
  };
}

async function play(recording: Recording, yaml: string): Promise<ReplayOutcome> {
  const folder = await mkdtemp(path.join(tmpdir(), 'renamed-'));
  try {
    await writeFile(path.join(folder, 'robot.yaml'), yaml);
    const { config } = await loadConfig({ preset: 'replay', file: path.join(folder, 'robot.yaml') });
    return await replay(recording, { config, models: modelsOf(config) });
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe('a recording with names of its own', () => {
  it('gives the same forecasts with a configuration of a few lines', async () => {
    const recording = await openRecording(DEMO, {});
    try {
      const own = await play(recording, '');
      const other = await play(renamed(recording), TEN_LINES);
      expect(own.report.stages.forecasting.forecasts).toBeGreaterThan(1);
      expect(other.report.refusals).toEqual([]);
      expect(other.report.camera).toBe('front');
      // Every joint state was understood, and the forecasts of the same pictures are the same.
      expect(other.report.stages.sensing.joint_states).toBe(own.report.stages.sensing.joint_states);
      expect(other.report.stages.forecasting).toEqual(own.report.stages.forecasting);
      expect(other.highlight!.forecast.positions).toEqual(own.highlight!.forecast.positions);
    } finally {
      await recording.close();
    }
  }, 60_000);

  it('finds nothing without it, and says which names are known', async () => {
    const recording = await openRecording(DEMO, {});
    try {
      const lost = await play(renamed(recording), 'arm: { model: panda, prefix: left_ }');
      expect(lost.report.stages.forecasting.forecasts).toBe(0);
      await expect(play(recording, TEN_LINES)).rejects.toMatchObject({
        code: 'camera.topic',
        message: expect.stringMatching(/cameras\.front\.color is \/front\/rgb, .*\/exo_camera_1\/color\/image_raw/),
      });
    } finally {
      await recording.close();
    }
  }, 60_000);
});
