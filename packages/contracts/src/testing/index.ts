export * from './mock-transport.ts';
