export * from './conformance.ts';
export * from './journal-conformance.ts';
export * from './mock-transport.ts';
