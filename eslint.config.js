import js from '@eslint/js';
import { createTypeScriptImportResolver } from 'eslint-import-resolver-typescript';
import importX from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

/** What each folder of src/ may import, besides itself. Dependencies point inward: cli -> runs -> assembly -> node -> stages -> core, adapters -> ports. */
const mayImport = {
  core: [],
  files: ['core'],
  threads: ['core'],
  onnx: [],
  tensors: ['core', 'files'],
  inference: ['core', 'tensors', 'onnx', 'forecasting', 'planning', 'grounding'],
  builder: ['core', 'files', 'tensors', 'onnx', 'inference', 'planning'],
  geometry: ['core'],
  bus: ['core', 'geometry'],
  sensing: ['core', 'geometry', 'bus'],
  grounding: ['core', 'geometry', 'sensing', 'forecasting'],
  forecasting: ['core', 'geometry'],
  planning: ['core', 'geometry', 'forecasting', 'execution'],
  execution: ['core', 'geometry'],
  // Judges what execution sends: it shares nothing with it but the messages.
  controller: ['core', 'bus'],
  simulator: [
    'core',
    'files',
    'geometry',
    'bus',
    'grounding',
    'forecasting',
    'planning',
    'execution',
    'controller',
    'recordings',
    'threads',
  ],
  evaluation: ['core', 'geometry', 'forecasting', 'execution'],
  visualization: ['core', 'geometry', 'bus', 'sensing'],
  recordings: ['core', 'files', 'geometry', 'bus', 'sensing', 'tensors'],
  parity: [
    'core',
    'files',
    'tensors',
    'sensing',
    'grounding',
    'forecasting',
    'planning',
    'execution',
    'inference',
    'builder',
  ],
  node: ['core', 'planning', 'execution', 'geometry', 'bus', 'sensing', 'grounding', 'forecasting', 'visualization'],
  assembly: [
    'core',
    'files',
    'geometry',
    'bus',
    'sensing',
    'grounding',
    'forecasting',
    'planning',
    'execution',
    'inference',
    'node',
    'recordings',
  ],
  runs: [
    'core',
    'files',
    'geometry',
    'bus',
    'sensing',
    'grounding',
    'forecasting',
    'planning',
    'execution',
    'inference',
    'evaluation',
    'visualization',
    'node',
    'recordings',
    'controller',
    'simulator',
    'assembly',
  ],
};
const zones = Object.entries(mayImport).map(([folder, allowed]) => ({
  target: `./src/${folder}`,
  from: './src',
  except: [folder, ...allowed].map((name) => `./${name}`),
  message: `src/${folder} may import only: ${[folder, ...allowed].join(', ')}.`,
}));
// Within the bus folder, only adapters (and what wires them) know a concrete bus: a stage that imported one could not run on another.
zones.push({
  target: [
    'core',
    'geometry',
    'sensing',
    'grounding',
    'forecasting',
    'planning',
    'execution',
    'visualization',
    'node',
    'assembly',
  ].map((name) => `./src/${name}`),
  from: './src/bus/memory',
  message: 'Stages know the Bus port, never an adapter.',
});

export default tseslint.config(
  { ignores: ['dist', 'coverage', 'node_modules', 'demo'] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: {
          allowDefaultProject: [
            '*.js',
            'bin/*.js',
            'scripts/*.js',
            'test/inference/*.js',
            'test/ros/*.js',
            'test/runs/*.js',
            'test/threads/*.js',
          ],
        },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    plugins: { 'import-x': importX },
    settings: { 'import-x/resolver-next': [createTypeScriptImportResolver()] },
    rules: {
      'import-x/no-restricted-paths': ['error', { zones }],
      'import-x/no-cycle': 'error',
      'no-console': 'error',
      'max-lines': ['error', 500],
      eqeqeq: 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      // Typed-array loops index thousands of times a frame; the length is checked once at the door instead of at each element.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/consistent-type-imports': 'error',
    },
  },
  {
    // JSON of the reference implementations or of our own commands: any by nature, and checked by what the tests expect of it.
    files: ['test/**/*.golden.test.ts', 'test/cli/**'],
    rules: {
      '@typescript-eslint/no-explicit-any': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/restrict-plus-operands': 'off',
      '@typescript-eslint/restrict-template-expressions': 'off',
    },
  },
  {
    files: [
      '*.js',
      'bin/*.js',
      'scripts/*.js',
      'test/inference/*.js',
      'test/ros/*.js',
      'test/runs/*.js',
      'test/threads/*.js',
    ],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: { globals: { process: 'readonly', URL: 'readonly', setTimeout: 'readonly' } },
  },
);
