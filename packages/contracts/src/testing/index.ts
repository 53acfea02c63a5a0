export * from './conformance.ts';
export * from './fault-proxy.ts';
export * from './journal-conformance.ts';
export * from './mock-transport.ts';
export * from './seeded.ts';
