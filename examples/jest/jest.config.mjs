// The tests are ES modules as they are: nothing is to be translated.
export default { testEnvironment: 'node', testMatch: ['**/*.test.mjs'], transform: {} };
