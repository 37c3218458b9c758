import base from './jest.config.js';

/** Long runs on large data, apart from the tests: npm run test:large. */
export default { ...base, testMatch: ['<rootDir>/test/large/**/*.large.ts'], testTimeout: 3_600_000 };
