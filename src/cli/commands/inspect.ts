import { Command } from 'commander';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describeError, InputError } from '../../core/errors.js';
import { bundleFiles, openBundle, sha256Of, type BundleDescription } from '../../inference/bundle.js';
import { modelFacts, type ModelFacts, type PortFacts } from '../../onnx/model-facts.js';
import { interruptible } from '../interruption.js';
import { reportResult } from '../json-report.js';
import { byteBar, print, printTable } from '../terminal.js';

interface FileFacts {
  readonly file: string;
  readonly bytes: number;
  /** Content against the hash in bundle.yaml. */
  readonly hash: 'ok' | 'differs' | 'not checked';
}

interface BundleFacts extends ModelFacts {
  readonly bundle: string;
  readonly task: BundleDescription['task'];
  readonly type: BundleDescription['type'];
  readonly files: readonly FileFacts[];
  readonly architecture: BundleDescription['architecture'];
  readonly provenance: BundleDescription['provenance'];
}

export function inspectCommand(): Command {
  return new Command('inspect')
    .description(
      'what is in a model bundle: sizes, inputs, outputs, operators, and whether its files are those it was built with',
    )
    .argument('<bundle>', 'folder that molmo-motion build wrote')
    .option('--no-hashes', 'leave the content of the files unread')
    .option('--json <file>', 'write the facts as JSON; - for stdout, in place of the text')
    .action(async (folder: string, options: { readonly hashes: boolean; readonly json?: string }) => {
      const facts = await inspect(folder, options.hashes);
      await reportResult(options.json, facts, () => {
        show(facts);
      });
      const changed = facts.files.filter(({ hash }) => hash === 'differs').map(({ file }) => file);
      if (changed.length > 0) throw changedFiles(folder, changed);
    });
}

async function inspect(folder: string, withHashes: boolean): Promise<BundleFacts> {
  const { description } = await openBundle(folder);
  const graph = path.join(folder, description.graph.file);
  const facts = await readFile(graph)
    .then(modelFacts)
    .catch((cause: unknown) => {
      throw new InputError({
        code: 'bundle.file',
        message: `${graph} is not an ONNX model: ${describeError(cause)}`,
        remedy: 'copy or build the bundle again',
        cause,
      });
    });
  return {
    bundle: folder,
    task: description.task,
    type: description.type,
    files: withHashes
      ? await interruptible((signal) => checkHashes(folder, description, signal))
      : bundleFiles(description).map(({ file, bytes }) => ({ file, bytes, hash: 'not checked' })),
    ...facts,
    architecture: description.architecture,
    provenance: description.provenance,
  };
}

async function checkHashes(
  folder: string,
  description: BundleDescription,
  signal: AbortSignal,
): Promise<readonly FileFacts[]> {
  const files = bundleFiles(description);
  const whole = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const bar = byteBar('hashes');
  let read = 0;
  try {
    const checked: FileFacts[] = [];
    for (const { file, bytes, sha256 } of files) {
      const found = await sha256Of(path.join(folder, file), (part) => {
        signal.throwIfAborted();
        bar.update((read += part), whole);
      });
      checked.push({ file, bytes, hash: found === sha256 ? 'ok' : 'differs' });
    }
    return checked;
  } finally {
    bar.stop();
  }
}

function show({
  bundle,
  task,
  type,
  files,
  inputs,
  outputs,
  operators,
  opsets,
  weights,
  provenance,
  ...rest
}: BundleFacts): void {
  const { vision, language, actionExpert, trajectoryExpert } = rest.architecture;
  print(
    `${bundle}: ${task}, ${type} weights, of a ${provenance.layout} checkpoint (${provenance.checkpoint}), by ${provenance.builtBy}`,
  );
  printTable(
    ['file', 'MB', 'sha256'],
    files.map(({ file, bytes, hash }) => [file, (bytes / 1e6).toFixed(2), hash]),
  );
  const port = (kind: string, { name, type: element, shape }: PortFacts): string[] => [
    kind,
    name,
    element,
    `[${shape.join(', ')}]`,
  ];
  printTable(
    ['', 'name', 'type', 'shape'],
    [...inputs.map((input) => port('input', input)), ...outputs.map((output) => port('output', output))],
  );
  print(
    `vision: ${vision.blocks} blocks of width ${vision.width}, ${vision.cropSize.join('x')} pixels in patches of ${vision.patchSize}`,
  );
  print(
    `language: ${language.layers} layers of width ${language.width}, ${language.heads} heads (${language.kvHeads} of keys and values), ${language.vocabulary} words, at most ${language.maxLength} tokens`,
  );
  if (actionExpert)
    print(
      `action expert: ${actionExpert.blocks} blocks of width ${actionExpert.width}, ${actionExpert.horizon} steps of ${actionExpert.actionSize} values, ${actionExpert.flowSteps} Euler steps`,
    );
  if (trajectoryExpert)
    print(
      `trajectory expert: ${trajectoryExpert.blocks} blocks of width ${trajectoryExpert.width}, ${trajectoryExpert.points} points over ${trajectoryExpert.horizon} steps`,
    );
  print(
    `weights: ${Object.entries(weights)
      .map(([name, elements]) => `${(elements / 1e6).toFixed(2)} M ${name}`)
      .join(', ')}`,
  );
  print(
    `operators: ${Object.entries(operators)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ')}`,
  );
  print(
    `opsets: ${Object.entries(opsets)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}`,
  );
}

function changedFiles(folder: string, changed: readonly string[]): InputError {
  return new InputError({
    code: 'bundle.file',
    message: `${changed.join(', ')} in ${folder} ${changed.length === 1 ? 'is not the file' : 'are not the files'} that the bundle was built with`,
    remedy: 'copy or build the bundle again; a changed model must not move a robot',
  });
}
