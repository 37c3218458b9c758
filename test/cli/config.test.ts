import { describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expectOneError, run } from './program.js';

const PAGE = path.resolve(import.meta.dirname, '../../docs/configuration.md');

describe('molmo-motion config', () => {
  it('prints what holds, and where it comes from', async () => {
    const ended = await run(['config', '--for', 'simulator', '--set', 'seed=4', '--planner', 'none', '--diff']);
    expect([ended.code, ended.err]).toEqual([0, 'the configuration can be used\n']);
    expect(ended.out).toContain('seed: 4 # --set seed');
    expect(ended.out).toContain('planner: none # --planner');
    expect(ended.out).toContain('forecaster: truth # preset simulator');
    expect(ended.out).not.toContain('transform_wait_s');
    expect((await run(['config'])).out).toContain('transform_wait_s: 0.2');
  });

  it('checks what can be checked without running', async () => {
    expectOneError(await run(['config', '--forecaster', 'psychic']), 2, /there is no forecaster "psychic"/);
    expectOneError(
      await run(['config', '--forecaster', 'static', '--max-new-tokens', '5']),
      2,
      /options of static: .*max_new_tokens/,
    );
    expectOneError(await run(['config', '--set', 'execution.mod=x']), 2, /the nearest is execution\.mode/);
    expectOneError(
      await run(['config', '--config', 'absent.yaml']),
      2,
      /absent\.yaml cannot be used as a configuration/,
    );
    expectOneError(await run(['config', '--arm', 'ur5']), 2, /ur5/);
  });

  it('the page of all settings is the one that the schema makes', async () => {
    const { out } = await run(['config', '--markdown']);
    // A stale page: npm run docs:configuration
    expect(out).toBe(await readFile(PAGE, 'utf8'));
  });

  it('lists the registered words', async () => {
    const { out } = await run(['config', '--registered']);
    for (const word of ['stored:FILE', 'hybrid:BUNDLE', 'extrapolate', 'mask', 'max_new_tokens'])
      expect(out).toContain(word);
  });
});
